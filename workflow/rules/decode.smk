# Responses: one job for each checkpoint and decode settings serves all benchmarks asked of it. Where the settings say so
# (replicas, checkpoints_per_engine), others decode into the response store before, and that job reads them from there.


rule decode:
    input:
        manifest=layout.manifest("{checkpoint}"),
        questions=questions_asked,
        examples=examples_asked,
        ahead=decoded_ahead,
    output:
        responses=layout.responses("{checkpoint}", "{decoding}"),
        sidecar=layout.responses("{checkpoint}", "{decoding}", "json"),
    log:
        layout.log("decode", "{checkpoint}/{decoding}"),
    benchmark:
        layout.timing("decode", "{checkpoint}/{decoding}")
    wildcard_constraints:
        checkpoint=CHECKPOINT,
    # The longest jobs first, so that several GPUs finish together.
    priority: lambda wildcards: costs.decode_seconds(wildcards.checkpoint, wildcards.decoding)
    conda:
        decode_environment
    threads: lambda wildcards: experiment.registry.decoding(wildcards.decoding).cpu_threads
    resources:
        gpu=lambda wildcards, input: 0 if input.ahead else decode_gpus(wildcards),
        mem_mb=lambda wildcards, input: decode_memory(wildcards, [input.manifest]),
        runtime=lambda wildcards: costs.minutes(costs.decode_seconds(wildcards.checkpoint, wildcards.decoding)),
    params:
        code=lambda wildcards: code_digest(
            "decode.py", [experiment.registry.decoding(wildcards.decoding).engine_module]
        ),
        packages=decode_packages,
        settings=decode_settings,
        prompt=decode_prompt,
        example_sets=decode_example_sets,
        read_at=lambda wildcards: read_at(experiment, wildcards.checkpoint, wildcards.decoding),
        budgets=lambda wildcards: budgets(experiment, wildcards.checkpoint, wildcards.decoding),
        store=layout.store,
    message:
        "decode with {wildcards.checkpoint}, {wildcards.decoding} (log: {log})"
    script:
        "../../scripts/decode.py"


rule decode_ahead:
    input:
        manifests=lambda wildcards: map(layout.manifest, decoded_by(wildcards).checkpoints),
        questions=questions_asked,
        examples=examples_asked,
    output:
        done=layout.ahead("{checkpoint}", "{decoding}", "{share}"),
    log:
        layout.log("decode_ahead", "{checkpoint}/{decoding}/{share}"),
    benchmark:
        layout.timing("decode_ahead", "{checkpoint}/{decoding}/{share}")
    wildcard_constraints:
        checkpoint=CHECKPOINT,
    priority: lambda wildcards: costs.ahead_seconds(wildcards.checkpoint, wildcards.decoding)
    conda:
        decode_environment
    threads: lambda wildcards: experiment.registry.decoding(wildcards.decoding).cpu_threads
    resources:
        gpu=decode_gpus,
        mem_mb=lambda wildcards, input: decode_memory(wildcards, input.manifests),
        runtime=lambda wildcards: costs.minutes(costs.ahead_seconds(wildcards.checkpoint, wildcards.decoding)),
    params:
        code=lambda wildcards: code_digest(
            "decode_ahead.py", [experiment.registry.decoding(wildcards.decoding).engine_module]
        ),
        packages=decode_packages,
        settings=decode_settings,
        prompt=decode_prompt,
        example_sets=decode_example_sets,
        store=layout.store,
    message:
        "decode ahead from {wildcards.checkpoint} on, {wildcards.decoding}, share {wildcards.share} (log: {log})"
    script:
        "../../scripts/decode_ahead.py"


rule import_generations:
    input:
        files=generation_files,
        questions=lambda wildcards: map(layout.questions, experiment.registry.imported(wildcards.imported).benchmarks),
    output:
        responses=layout.responses(imported("{imported}"), IMPORTED),
    log:
        layout.log("import_generations", "{imported}"),
    benchmark:
        layout.timing("import_generations", "{imported}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest(
            "import_generations.py", [f"{FORMATS}.{name}" for name in generation_formats()]
        ),
        entry=lambda wildcards: experiment.registry.imported(wildcards.imported).model_dump(
            mode="json", exclude={"label"}
        ),
    message:
        "import the generations {wildcards.imported}"
    script:
        "../../scripts/import_generations.py"
