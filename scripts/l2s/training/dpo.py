"""Direct preference optimisation of the slow model towards short answers (Rafailov et al. 2023, arXiv 2305.18290).

L = −E log σ( β log π(y_c|x)/π_ref(y_c|x) − β log π(y_r|x)/π_ref(y_r|x) )                                (equation 7)

The paper's trained row (arXiv 2503.20641, table 1): y_c is a question's short answer, y_r its long one, from s1K; LoRA
of rank 16, 3 epochs, learning rate 5e-5, 4,096 tokens at most, the best of the saved checkpoints. The reference π_ref
is the slow model itself: the policy without its adapter. TRL's DPOTrainer computes the loss, PEFT holds the adapter.

ASSUME(dpo_best): the paper does not say best in what. Here it is the least validation loss, the earliest of equals, on
pairs that the seed sets apart; no benchmark is looked at.
ASSUME(dpo_settings): β, LoRA's alpha and layers, batch size, schedule, number of checkpoints, and prompt are not said.
β = 0.1 is that of the DPO paper's code; the rest is common practice: alpha twice the rank, every linear layer of the
decoder, 8 pairs a step, a cosine schedule after 10 % of warm-up, no weight decay, no dropout.
ASSUME(dpo_long_answers): an answer over the limit is cut at its end, as TRL does; a pair whose prompt fills the limit
is left out.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.training.engine.contract import Material, Trained, Training
from l2s.training.engine.preferences import set_apart, tokenise

if TYPE_CHECKING:
    from trl import DPOConfig

WARM_UP = 0.1


class DirectPreferences(Training):
    """DPO with LoRA."""

    epochs: int = Field(3, gt=0, le=1000, description="passes over the training pairs")
    learning_rate: float = Field(5e-5, gt=0, description="peak learning rate")
    max_tokens: int = Field(
        4096, gt=1, le=10_000_000, description="prompt and answer together, in tokens; longer answers are cut"
    )
    beta: float = Field(0.1, gt=0, description="β: how strongly the policy is held to the reference")
    batch_size: int = Field(1, gt=0, le=100_000, description="pairs computed together")
    gradient_accumulation: int = Field(8, gt=0, le=100_000, description="batches a step")
    validation_share: float = Field(0.1, gt=0, lt=1, description="share of the pairs that is set apart for validation")
    checkpoints: int = Field(6, gt=0, le=1000, description="how many checkpoints are saved and compared, evenly spaced")
    seed: int = Field(
        0, ge=0, lt=2**32, description="seed of the first adapter, the order of the pairs, and the validation pairs"
    )

    def train(self, material: Material, progress: Path) -> Trained:
        """Train an adapter, or go on where an earlier run of the same job was stopped; see Training.

        Raises:
            UserError: There are too few pairs, the model does not load, or a loss is not a number.
        """
        import torch
        from datasets import Dataset
        from peft import LoraConfig

        from l2s.training.engine.trainer import PreferenceTrainer, load_model

        torch.set_num_threads(self.cpu_threads)
        tokenizer = load_tokenizer(material.model, needs_end=True)
        rows, counts = tokenise(material, tokenizer, self.max_tokens)
        training, validation = set_apart(rows, self.validation_share, self.seed)
        counts = {"training": len(training), "validation": len(validation), **counts}
        print("pairs: " + ", ".join(f"{key} {count}" for key, count in counts.items()), flush=True)
        lora = LoraConfig(
            r=self.lora_rank,
            lora_alpha=self.lora_alpha,
            target_modules=list(self.target_modules),
            task_type="CAUSAL_LM",
        )
        trainer = PreferenceTrainer(
            load_model(material.model, self.device, self.dtype),
            args=self._arguments(progress, len(training)),
            train_dataset=Dataset.from_list(training),
            eval_dataset=Dataset.from_list(validation),
            processing_class=tokenizer,
            peft_config=lora,
        )
        outcome = trainer.run()
        return Trained(outcome.best, {"pairs": counts, **outcome.facts})

    def _arguments(self, progress: Path, pairs: int) -> DPOConfig:
        from trl import DPOConfig

        steps = self.epochs * math.ceil(math.ceil(pairs / self.batch_size) / self.gradient_accumulation)
        between = math.ceil(steps / self.checkpoints)
        cuda = self.device == "cuda"
        return DPOConfig(
            output_dir=str(progress),
            num_train_epochs=self.epochs,
            per_device_train_batch_size=self.batch_size,
            per_device_eval_batch_size=self.batch_size,
            gradient_accumulation_steps=self.gradient_accumulation,
            learning_rate=self.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=math.ceil(WARM_UP * steps),
            beta=self.beta,
            max_length=self.max_tokens,
            seed=self.seed,
            eval_strategy="steps",
            eval_steps=between,
            save_strategy="steps",
            save_steps=between,
            logging_steps=1,  # every loss is looked at; a filter would put the last good one in place of NaN
            logging_nan_inf_filter=False,
            use_cpu=not cuda,
            bf16=self.dtype == "bfloat16",
            gradient_checkpointing=cuda,
            report_to="none",
            disable_tqdm=True,
        )
