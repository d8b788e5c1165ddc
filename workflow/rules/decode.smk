# Responses: one job for each checkpoint and decode settings serves all benchmarks asked of it.


rule decode:
    input:
        manifest=f"{RESULTS}/checkpoints/{{checkpoint}}/manifest.json",
        questions=questions_asked,
        examples=examples_asked,
    output:
        responses=f"{RESULTS}/responses/{{checkpoint}}/{{decoding}}.parquet",
        sidecar=f"{RESULTS}/responses/{{checkpoint}}/{{decoding}}.json",
    log:
        f"{RESULTS}/logs/decode/{{checkpoint}}/{{decoding}}.log",
    benchmark:
        f"{RESULTS}/timings/decode/{{checkpoint}}/{{decoding}}.tsv"
    # The longest jobs first, so that several GPUs finish together.
    priority: lambda wildcards: costs.decode_seconds(wildcards.checkpoint, wildcards.decoding)
    conda:
        decode_environment
    threads: lambda wildcards: experiment.registry.decoding(wildcards.decoding).cpu_threads
    resources:
        gpu=lambda wildcards: experiment.decoding_of(wildcards.checkpoint, wildcards.decoding).gpus,
        mem_mb=decode_memory,
        runtime=decode_minutes,
    params:
        code=lambda wildcards: code_digest(
            "decode.py", [experiment.registry.decoding(wildcards.decoding).engine_module]
        ),
        settings=lambda wildcards: experiment.decoding_of(wildcards.checkpoint, wildcards.decoding).model_dump(
            mode="json"
        ),
        prompt=lambda wildcards: experiment.prompt_of(wildcards.checkpoint, wildcards.decoding).model_dump(mode="json"),
        example_sets=lambda wildcards: experiment.example_sets(wildcards.checkpoint, wildcards.decoding),
        store=f"{RESULTS}/store",
    message:
        "decode with {wildcards.checkpoint}, {wildcards.decoding}"
    script:
        "../../scripts/decode.py"
