# Models, benchmarks, examples and sets of calibration data, from the hub or from local files.


rule fetch_model:
    input:
        files=local_model_files,
    output:
        manifest=f"{RESULTS}/checkpoints/models/{{model}}/manifest.json",
    log:
        f"{RESULTS}/logs/fetch_model/{{model}}.log",
    benchmark:
        f"{RESULTS}/timings/fetch_model/{{model}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("fetch_model.py"),
        entry=lambda wildcards: experiment.registry.model(wildcards.model).model_dump(exclude={"label"}),
    message:
        "fetch the model {wildcards.model}"
    script:
        "../../scripts/fetch_model.py"


rule load_questions:
    input:
        file=lambda wildcards: experiment.registry.benchmark(wildcards.benchmark).source.path or [],
    output:
        questions=f"{RESULTS}/questions/{{benchmark}}.parquet",
    log:
        f"{RESULTS}/logs/load_questions/{{benchmark}}.log",
    benchmark:
        f"{RESULTS}/timings/load_questions/{{benchmark}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("load_questions.py"),
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
        examples=f"{RESULTS}/examples/{{examples}}/{{set_name}}.parquet",
    log:
        f"{RESULTS}/logs/load_examples/{{examples}}/{{set_name}}.log",
    benchmark:
        f"{RESULTS}/timings/load_examples/{{examples}}/{{set_name}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("load_examples.py"),
        entry=lambda wildcards: experiment.registry.examples(wildcards.examples)
        .only(wildcards.set_name)
        .model_dump(mode="json"),
    message:
        "load the examples {wildcards.set_name} of {wildcards.examples}"
    script:
        "../../scripts/load_examples.py"


rule load_calibration_data:
    input:
        file=lambda wildcards: experiment.registry.calibration_data(wildcards.calibration_data).source.path or [],
    output:
        calibration_data=f"{RESULTS}/calibration_data/{{calibration_data}}.parquet",
    log:
        f"{RESULTS}/logs/load_calibration_data/{{calibration_data}}.log",
    benchmark:
        f"{RESULTS}/timings/load_calibration_data/{{calibration_data}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("load_calibration_data.py"),
        entry=lambda wildcards: experiment.registry.calibration_data(wildcards.calibration_data).model_dump(mode="json"),
    message:
        "load the calibration data {wildcards.calibration_data}"
    script:
        "../../scripts/load_calibration_data.py"
