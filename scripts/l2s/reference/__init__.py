"""The reference of ``config/``, made from the models that check it: a document, and schemas for editors."""
