# Tables and figures of the studies.


rule make_table:
    input:
        responses=lambda wildcards: table_inputs(wildcards, responses_path),
        grades=lambda wildcards: table_inputs(wildcards, grades_path),
        questions=lambda wildcards: study_questions(wildcards.study),
    output:
        table=f"{RESULTS}/tables/{{study}}.parquet",
        csv=f"{RESULTS}/tables/{{study}}.csv",
        markdown=f"{RESULTS}/tables/{{study}}.md",
        latex=f"{RESULTS}/tables/{{study}}.tex",
        html=report(
            f"{RESULTS}/tables/{{study}}.html",
            caption="../report/table.rst",
            category="{study}",
            labels={"output": "table"},
        ),
    log:
        f"{RESULTS}/logs/make_table/{{study}}.log",
    benchmark:
        f"{RESULTS}/timings/make_table/{{study}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("make_table.py"),
        spec=table_spec,
    message:
        "tabulate {wildcards.study}"
    script:
        "../../scripts/make_table.py"


rule draw_figure:
    input:
        table=f"{RESULTS}/tables/{{study}}.parquet",
    output:
        html=report(
            f"{RESULTS}/figures/{{study}}/{{figure}}.html",
            caption="../report/figure.rst",
            category="{study}",
            labels={"output": "{figure}"},
        ),
        svg=f"{RESULTS}/figures/{{study}}/{{figure}}.svg",
        png=f"{RESULTS}/figures/{{study}}/{{figure}}.png",
    log:
        f"{RESULTS}/logs/draw_figure/{{study}}/{{figure}}.log",
    benchmark:
        f"{RESULTS}/timings/draw_figure/{{study}}/{{figure}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("draw_figure.py", [f"l2s.analysis.figures.{wildcards.figure}"]),
    message:
        "draw {wildcards.figure} of {wildcards.study}"
    script:
        "../../scripts/draw_figure.py"


rule measure_noise:
    input:
        responses=noise_responses,
        grades=noise_grades,
    output:
        table=f"{RESULTS}/noise/{{study}}.parquet",
        markdown=f"{RESULTS}/noise/{{study}}.md",
        html=report(
            f"{RESULTS}/noise/{{study}}.html",
            caption="../report/noise.rst",
            category="{study}",
            labels={"output": "noise"},
        ),
    log:
        f"{RESULTS}/logs/measure_noise/{{study}}.log",
    benchmark:
        f"{RESULTS}/timings/measure_noise/{{study}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("measure_noise.py"),
        title=lambda wildcards: experiment.studies[wildcards.study].title,
        pairs=lambda wildcards: noise_pairs(wildcards.study),
    message:
        "compare repeated decoding: {wildcards.study}"
    script:
        "../../scripts/measure_noise.py"
