# Trained checkpoints. What training made is the adapter; weights beside it are a cache that train.py can rebuild.


rule train:
    input:
        model=lambda wildcards: manifest_of_model(training_of(wildcards).model),
        calibration_data=lambda wildcards: f"{RESULTS}/calibration_data/{training_of(wildcards).recipe.method.calibration_data}.parquet",
    output:
        manifest=f"{RESULTS}/checkpoints/{{pair}}/{{method}}/{{recipe}}/manifest.json",
        adapter=f"{RESULTS}/checkpoints/{{pair}}/{{method}}/{{recipe}}/adapter/adapter_model.safetensors",
    log:
        f"{RESULTS}/logs/train/{{pair}}/{{method}}/{{recipe}}.log",
    benchmark:
        f"{RESULTS}/timings/train/{{pair}}/{{method}}/{{recipe}}.tsv"
    wildcard_constraints:
        method="|".join(method_names("training")),
    conda:
        "../../envs/cpu.yaml"
    threads: lambda wildcards: training_of(wildcards).recipe.method.cpu_threads
    resources:
        gpu=lambda wildcards: training_of(wildcards).recipe.method.gpus,
    params:
        code=lambda wildcards: code_digest("train.py", [training_of(wildcards).recipe.module]),
        recipe=lambda wildcards: training_of(wildcards).recipe.resolved(),
        prompt=lambda wildcards: training_of(wildcards).prompt.model_dump(mode="json"),
        store=f"{RESULTS}/store",
    message:
        "train {wildcards.pair} by {wildcards.method}: {wildcards.recipe}"
    script:
        "../../scripts/train.py"
