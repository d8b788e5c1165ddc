"""The RO-Crate of a results folder: what it says, whether it still holds, and the folder as an archive."""
