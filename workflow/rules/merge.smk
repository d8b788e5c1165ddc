# Merged checkpoints. The manifest is the only declared output: weights beside it are a cache that merge.py can rebuild.


rule merge:
    input:
        parents=lambda wildcards: [manifest_of_model(model) for model in merge_of(wildcards).models.values()],
        calibrations=lambda wildcards: [calibration_path(c) for c in merge_of(wildcards).calibrations.values()],
    output:
        manifest=f"{RESULTS}/checkpoints/{{pair}}/{{method}}/{{recipe}}/manifest.json",
    log:
        f"{RESULTS}/logs/merge/{{pair}}/{{method}}/{{recipe}}.log",
    benchmark:
        f"{RESULTS}/timings/merge/{{pair}}/{{method}}/{{recipe}}.tsv"
    wildcard_constraints:
        method="|".join(method_names("merging")),
    # First what the longest decode jobs wait for.
    priority: lambda wildcards: costs.seconds_after(f"{wildcards.pair}/{wildcards.method}/{wildcards.recipe}")
    conda:
        "../../envs/cpu.yaml"
    threads: experiment.config.merge_threads
    params:
        code=lambda wildcards: code_digest("merge.py", merge_of(wildcards).modules),
        recipe=lambda wildcards: merge_of(wildcards).recipe.resolved(),
        calibrations=lambda wildcards: list(merge_of(wildcards).calibrations),
    message:
        "merge {wildcards.pair} by {wildcards.method}: {wildcards.recipe}"
    script:
        "../../scripts/merge.py"


rule draw_merge:
    input:
        manifest=f"{RESULTS}/checkpoints/{{pair}}/{{method}}/{{recipe}}/manifest.json",
    output:
        html=report(
            f"{RESULTS}/figures/merges/{{pair}}/{{method}}/{{recipe}}.html",
            caption="../report/merge.rst",
            category="merges",
            labels={"output": "{method}, {recipe}"},
        ),
        svg=f"{RESULTS}/figures/merges/{{pair}}/{{method}}/{{recipe}}.svg",
        png=f"{RESULTS}/figures/merges/{{pair}}/{{method}}/{{recipe}}.png",
    log:
        f"{RESULTS}/logs/draw_merge/{{pair}}/{{method}}/{{recipe}}.log",
    benchmark:
        f"{RESULTS}/timings/draw_merge/{{pair}}/{{method}}/{{recipe}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("draw_merge.py"),
        title=lambda wildcards: titled(f"{wildcards.pair}, {wildcards.method}: {wildcards.recipe.split('~')[0]}"),
    message:
        "draw the merge {wildcards.pair} by {wildcards.method}: {wildcards.recipe}"
    script:
        "../../scripts/draw_merge.py"
