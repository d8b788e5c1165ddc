# Trained checkpoints. What training made is the adapter; weights beside it are a cache that train.py can rebuild.


rule train:
    input:
        model=lambda wildcards: layout.manifest(fetched(training_of(wildcards).model)),
        calibration_data=lambda wildcards: layout.calibration_data(
            training_of(wildcards).recipe.method.calibration_data
        ),
    output:
        manifest=layout.manifest("{pair}/{method}/{recipe}"),
        adapter=layout.adapter("{pair}/{method}/{recipe}"),
    log:
        layout.log("train", "{pair}/{method}/{recipe}"),
    benchmark:
        layout.timing("train", "{pair}/{method}/{recipe}")
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
        store=layout.store,
    message:
        "train {wildcards.pair} by {wildcards.method}: {wildcards.recipe} (log: {log})"
    script:
        "../../scripts/train.py"
