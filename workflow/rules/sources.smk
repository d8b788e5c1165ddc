# Models, benchmarks, demonstrations and calibration sets, from the hub or from local files.


rule fetch:
    input:
        files=local_model_files,
    output:
        manifest=f"{RESULTS}/checkpoints/models/{{model}}/manifest.json",
    log:
        f"{RESULTS}/logs/fetch/{{model}}.log",
    benchmark:
        f"{RESULTS}/timings/fetch/{{model}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("fetch.py"),
        entry=lambda wildcards: catalog.entries.model(wildcards.model).model_dump(exclude={"label", "stand_in"}),
    message:
        "fetch the model {wildcards.model}"
    script:
        "../../scripts/fetch.py"


rule benchmark:
    input:
        file=lambda wildcards: catalog.entries.benchmark(wildcards.benchmark).source.path or [],
    output:
        questions=f"{RESULTS}/benchmarks/{{benchmark}}.parquet",
    log:
        f"{RESULTS}/logs/benchmark/{{benchmark}}.log",
    benchmark:
        f"{RESULTS}/timings/benchmark/{{benchmark}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("benchmark.py"),
        entry=lambda wildcards: catalog.entries.benchmark(wildcards.benchmark).model_dump(mode="json"),
    message:
        "load the questions of {wildcards.benchmark}"
    script:
        "../../scripts/benchmark.py"


rule demonstrations:
    input:
        file=lambda wildcards: catalog.entries.demonstrations(wildcards.demonstrations).path or [],
    output:
        demonstrations=f"{RESULTS}/demonstrations/{{demonstrations}}/{{set_name}}.parquet",
    log:
        f"{RESULTS}/logs/demonstrations/{{demonstrations}}/{{set_name}}.log",
    benchmark:
        f"{RESULTS}/timings/demonstrations/{{demonstrations}}/{{set_name}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("demonstrations.py"),
        entry=lambda wildcards: catalog.entries.demonstrations(wildcards.demonstrations)
        .only(wildcards.set_name)
        .model_dump(mode="json"),
    message:
        "load the demonstrations {wildcards.set_name} of {wildcards.demonstrations}"
    script:
        "../../scripts/demonstrations.py"


rule calibration_data:
    input:
        file=lambda wildcards: catalog.entries.samples(wildcards.samples).source.path or [],
    output:
        samples=f"{RESULTS}/calibration/data/{{samples}}.parquet",
    log:
        f"{RESULTS}/logs/calibration_data/{{samples}}.log",
    benchmark:
        f"{RESULTS}/timings/calibration_data/{{samples}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("calibration_data.py"),
        entry=lambda wildcards: catalog.entries.samples(wildcards.samples).model_dump(mode="json"),
    message:
        "load the calibration set {wildcards.samples}"
    script:
        "../../scripts/calibration_data.py"
