# Tables and figures of the studies.


rule tabulate:
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
        f"{RESULTS}/logs/tabulate/{{study}}.log",
    benchmark:
        f"{RESULTS}/timings/tabulate/{{study}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("tabulate_study.py"),
        spec=table_spec,
    message:
        "tabulate {wildcards.study}"
    script:
        "../../scripts/tabulate_study.py"


rule draw:
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
        f"{RESULTS}/logs/draw/{{study}}/{{figure}}.log",
    benchmark:
        f"{RESULTS}/timings/draw/{{study}}/{{figure}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("draw_figure.py", [f"l2s.analysis.figures.{wildcards.figure}"]),
    message:
        "draw {wildcards.figure} of {wildcards.study}"
    script:
        "../../scripts/draw_figure.py"


rule compare_noise:
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
        f"{RESULTS}/logs/compare_noise/{{study}}.log",
    benchmark:
        f"{RESULTS}/timings/compare_noise/{{study}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=code_digest("compare_noise.py"),
        title=lambda wildcards: catalog.studies[wildcards.study].title,
        pairs=lambda wildcards: noise_pairs(wildcards.study),
    message:
        "compare repeated decoding: {wildcards.study}"
    script:
        "../../scripts/compare_noise.py"
