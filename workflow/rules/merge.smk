# Merged checkpoints. The manifest is the only declared output: weights beside it are a cache that merge.py can rebuild.


rule merge:
    input:
        parents=lambda wildcards: [manifest_of_model(model) for model in merge_of(wildcards).models.values()],
    output:
        manifest=f"{RESULTS}/checkpoints/{{pair}}/{{method}}/{{recipe}}/manifest.json",
    log:
        f"{RESULTS}/logs/merge/{{pair}}/{{method}}/{{recipe}}.log",
    benchmark:
        f"{RESULTS}/timings/merge/{{pair}}/{{method}}/{{recipe}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    threads: catalog.config.merge_threads
    params:
        code=lambda wildcards: code_digest("merge.py", merge_of(wildcards).modules),
        recipe=lambda wildcards: merge_of(wildcards).recipe.resolved(),
        sources=lambda wildcards: list(merge_of(wildcards).models),
    message:
        "merge {wildcards.pair} by {wildcards.method}: {wildcards.recipe}"
    script:
        "../../scripts/merge.py"
