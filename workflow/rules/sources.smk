# Models, benchmarks, examples and sets of calibration data, from the hub or from local files.


rule fetch_model:
    input:
        files=lambda wildcards: experiment.registry.model_files(wildcards.model),
        # what an adapter is merged into
        over=lambda wildcards: [
            layout.manifest(fetched(name)) for name in experiment.registry.model_over(wildcards.model)
        ],
    output:
        manifest=layout.manifest(fetched("{model}")),
    log:
        layout.log("fetch_model", "{model}"),
    benchmark:
        layout.timing("fetch_model", "{model}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("fetch_model.py"),
        entry=lambda wildcards: experiment.registry.model(wildcards.model).model_dump(exclude={"label"}),
    message:
        "fetch the model {wildcards.model} (log: {log})"
    script:
        "../../scripts/fetch_model.py"


rule load_questions:
    input:
        file=lambda wildcards: experiment.registry.benchmark(wildcards.benchmark).source.path or [],
    output:
        questions=layout.questions("{benchmark}"),
    log:
        layout.log("load_questions", "{benchmark}"),
    benchmark:
        layout.timing("load_questions", "{benchmark}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("load_questions.py"),
        entry=lambda wildcards: experiment.registry.benchmark(wildcards.benchmark).model_dump(
            mode="json", exclude={"examples"}
        ),
    message:
        "load the questions of {wildcards.benchmark}"
    script:
        "../../scripts/load_questions.py"


rule load_examples:
    input:
        file=lambda wildcards: experiment.registry.examples(wildcards.examples).path or [],
    output:
        examples=layout.examples("{examples}", "{set_name}"),
    log:
        layout.log("load_examples", "{examples}/{set_name}"),
    benchmark:
        layout.timing("load_examples", "{examples}/{set_name}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("load_examples.py"),
        entry=lambda wildcards: experiment.registry.examples(wildcards.examples)
        .only(wildcards.set_name)
        .model_dump(mode="json"),
    message:
        "load the examples {wildcards.set_name} of {wildcards.examples}"
    script:
        "../../scripts/load_examples.py"


rule load_calibration_data:
    input:
        files=lambda wildcards: list(
            experiment.registry.calibration_data(wildcards.calibration_data).local_files.values()
        ),
    output:
        calibration_data=layout.calibration_data("{calibration_data}"),
    log:
        layout.log("load_calibration_data", "{calibration_data}"),
    benchmark:
        layout.timing("load_calibration_data", "{calibration_data}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("load_calibration_data.py"),
        entry=lambda wildcards: experiment.registry.calibration_data(wildcards.calibration_data).model_dump(mode="json"),
    message:
        "load the calibration data {wildcards.calibration_data}"
    script:
        "../../scripts/load_calibration_data.py"
