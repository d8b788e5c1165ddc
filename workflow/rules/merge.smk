# Merged checkpoints. The manifest is the only declared output: weights beside it are a cache that merge.py can rebuild.


rule merge:
    input:
        parents=lambda wildcards: [layout.manifest(fetched(model)) for model in merge_of(wildcards).models.values()],
        calibrations=lambda wildcards: [layout.calibration(c.name) for c in merge_of(wildcards).calibrations.values()],
    output:
        manifest=layout.manifest("{pair}/{method}/{recipe}"),
    log:
        layout.log("merge", "{pair}/{method}/{recipe}"),
    benchmark:
        layout.timing("merge", "{pair}/{method}/{recipe}")
    wildcard_constraints:
        method="|".join(method_names("merging")),
    # First what the longest decode jobs wait for.
    priority: lambda wildcards: costs.seconds_after(f"{wildcards.pair}/{wildcards.method}/{wildcards.recipe}")
    conda:
        "../../envs/cpu.yaml"
    threads: experiment.config.merge_threads
    resources:
        gpu=merge_gpus,
    params:
        code=lambda wildcards: code_digest("merge.py", merge_of(wildcards).modules),
        recipe=lambda wildcards: merge_of(wildcards).recipe.resolved(),
        calibrations=lambda wildcards: list(merge_of(wildcards).calibrations),
    message:
        "merge {wildcards.pair} by {wildcards.method}: {wildcards.recipe} (log: {log})"
    script:
        "../../scripts/merge.py"


rule draw_merge:
    input:
        manifest=layout.manifest("{pair}/{method}/{recipe}"),
    output:
        html=layout.merge_figure("{pair}/{method}/{recipe}"),
        svg=report(
            layout.merge_figure("{pair}/{method}/{recipe}", "svg"),
            caption="../report/merge.rst",
            category="merges",
            labels=lambda wildcards: {"pair": wildcards.pair, "recipe": merge_of(wildcards).label},
        ),
        png=layout.merge_figure("{pair}/{method}/{recipe}", "png"),
    log:
        layout.log("draw_merge", "{pair}/{method}/{recipe}"),
    benchmark:
        layout.timing("draw_merge", "{pair}/{method}/{recipe}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("draw_merge.py"),
        page=page_digest("chart.html.j2"),
        title=lambda wildcards: experiment.config.titled(f"{wildcards.pair}: {merge_of(wildcards).label}"),
    message:
        "draw the merge {wildcards.pair} by {wildcards.method}: {wildcards.recipe}"
    script:
        "../../scripts/draw_merge.py"
