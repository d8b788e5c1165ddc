# Models and benchmarks, from the hub or from local files.


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
        source=lambda wildcards: catalog.model(wildcards.model).source,
        content_id=lambda wildcards: catalog.model(wildcards.model).content_id,
        licence=lambda wildcards: catalog.model(wildcards.model).licence,
    message:
        "fetch the model {wildcards.model}"
    script:
        "../../scripts/fetch.py"


rule benchmark:
    input:
        file=lambda wildcards: catalog.benchmark(wildcards.benchmark).source.path or [],
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
        entry=lambda wildcards: catalog.benchmark(wildcards.benchmark).model_dump(mode="json"),
    message:
        "load the questions of {wildcards.benchmark}"
    script:
        "../../scripts/benchmark.py"
