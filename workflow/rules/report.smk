# Tables and figures of the studies.


rule compare:
    input:
        responses=responses_compared,
        grades=grades_compared,
        questions=questions_compared,
    output:
        comparisons=layout.comparisons("{study}"),
    log:
        layout.log("compare", "{study}"),
    benchmark:
        layout.timing("compare", "{study}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("compare.py"),
        spec=spec_of,
    message:
        "compare the checkpoints of {wildcards.study}"
    script:
        "../../scripts/compare.py"


rule list_disagreements:
    input:
        grades=grades_compared,
    output:
        disagreements=layout.disagreements("{study}"),
    log:
        layout.log("list_disagreements", "{study}"),
    benchmark:
        layout.timing("list_disagreements", "{study}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("list_disagreements.py"),
        title=lambda wildcards: experiment.studies[wildcards.study].title,
        graders=lambda wildcards: list(experiment.studies[wildcards.study].graders),
        checkpoints=lambda wildcards: [checkpoint for checkpoint, _ in experiment.compared(wildcards.study)],
        benchmarks=lambda wildcards: list(experiment.studies[wildcards.study].benchmarks),
    message:
        "list the responses of {wildcards.study} on which graders differ"
    script:
        "../../scripts/list_disagreements.py"


rule shard_responses:
    input:
        responses=layout.responses("{checkpoint}", "{decoding}"),
        grades=[layout.grades("{checkpoint}", "{decoding}", grader) for grader in grader_names()],
        questions=questions_asked,
    output:
        shard=layout.shard("{checkpoint}", "{decoding}"),
    log:
        layout.log("shard_responses", "{checkpoint}/{decoding}"),
    benchmark:
        layout.timing("shard_responses", "{checkpoint}/{decoding}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("shard_responses.py"),
        graders=grader_names(),
    message:
        "pack the responses of {wildcards.checkpoint}, {wildcards.decoding}, for their page"
    script:
        "../../scripts/shard_responses.py"


rule show_responses:
    input:
        questions=questions_compared,
        shards=shards_compared,
    output:
        page=layout.responses_page("{study}"),
    log:
        layout.log("show_responses", "{study}"),
    benchmark:
        layout.timing("show_responses", "{study}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("show_responses.py"),
        page=page_digest("responses.html.j2"),
        spec=lambda wildcards: experiment.studies[wildcards.study].responses_shown(wildcards.study, experiment, layout),
    message:
        "show the responses of {wildcards.study}"
    script:
        "../../scripts/show_responses.py"


rule make_table:
    input:
        responses=responses_compared,
        grades=grades_compared,
        questions=questions_compared,
        comparisons=layout.comparisons("{study}"),
    output:
        table=layout.table("{study}"),
        csv=layout.table("{study}", "csv"),
        markdown=layout.table("{study}", "md"),
        latex=layout.table("{study}", "tex"),
    log:
        layout.log("make_table", "{study}"),
    benchmark:
        layout.timing("make_table", "{study}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("make_table.py"),
        spec=spec_of,
    message:
        "make the table of {wildcards.study}"
    script:
        "../../scripts/make_table.py"


# The page of a table, of noise, or of disagreements. It links to pages that other rules make: none of them is an input.
rule write_page:
    input:
        table=layout.page("{kind}", "{study}", "parquet"),
        comparisons=lambda wildcards: layout.comparisons(wildcards.study) if wildcards.kind == "tables" else [],
    output:
        html=report(
            layout.page("{kind}", "{study}"),
            caption="../report/page.rst",
            category="{study}",
            labels={"output": "{kind}"},
        ),
    log:
        layout.log("write_page", "{kind}/{study}"),
    benchmark:
        layout.timing("write_page", "{kind}/{study}")
    wildcard_constraints:
        kind="tables|noise|disagreements",
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("write_page.py", [f"l2s.pages.{wildcards.kind}"]),
        page=page_digest("table.html.j2"),
    message:
        "write the page {wildcards.kind}/{wildcards.study}"
    script:
        "../../scripts/write_page.py"


rule check_drift:
    input:
        table=layout.table("{study}"),
        comparisons=layout.comparisons("{study}"),
        # Whoever the check stops wants to see the table.
        page=ancient(layout.table("{study}", "html")),
    output:
        drift=layout.drift("{study}"),
    log:
        layout.log("check_drift", "{study}"),
    benchmark:
        layout.timing("check_drift", "{study}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("check_drift.py"),
        tolerances=lambda wildcards: experiment.studies[wildcards.study].tolerances.model_dump(),
    message:
        "check that {wildcards.study} is within its tolerances"
    script:
        "../../scripts/check_drift.py"


# What the figures' pages load. It is an output of each study with figures, and no input of theirs: they do not change
# with it.
rule write_vega:
    output:
        vega=layout.vega,
    log:
        layout.log("write_vega"),
    benchmark:
        layout.timing("write_vega", "vega")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("write_vega.py"),
    message:
        "write the JavaScript that the figures' pages load"
    script:
        "../../scripts/write_vega.py"


rule draw_figure:
    input:
        table=layout.table("{study}"),
    output:
        html=layout.figure("{study}", "{figure}"),
        svg=report(
            layout.figure("{study}", "{figure}", "svg"),
            caption="../report/figure.rst",
            category="{study}",
            labels={"output": "{figure}"},
        ),
        png=layout.figure("{study}", "{figure}", "png"),
    log:
        layout.log("draw_figure", "{study}/{figure}"),
    benchmark:
        layout.timing("draw_figure", "{study}/{figure}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("draw_figure.py", [figure_module(wildcards.figure, "figure")]),
        page=page_digest("chart.html.j2"),
    message:
        "draw the figure {wildcards.figure} of {wildcards.study}"
    script:
        "../../scripts/draw_figure.py"


rule measure_noise:
    input:
        responses=responses_compared,
        grades=grades_compared,
    output:
        table=layout.noise("{study}"),
        markdown=layout.noise("{study}", "md"),
    log:
        layout.log("measure_noise", "{study}"),
    benchmark:
        layout.timing("measure_noise", "{study}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("measure_noise.py"),
        title=lambda wildcards: experiment.studies[wildcards.study].title,
        pairs=lambda wildcards: experiment.compared(wildcards.study),
        benchmarks=lambda wildcards: list(experiment.studies[wildcards.study].benchmarks),
    message:
        "measure the noise of decoding: {wildcards.study}"
    script:
        "../../scripts/measure_noise.py"


# By name only: cards are for checkpoints that are to be published.
rule write_card:
    input:
        manifest=layout.manifest("{checkpoint}"),
        table=layout.table("{study}"),
        comparisons=layout.comparisons("{study}"),
        decoding=decoding_carded,
    output:
        card=layout.card("{study}", "{checkpoint}"),
    log:
        layout.log("write_card", "{study}/{checkpoint}"),
    benchmark:
        layout.timing("write_card", "{study}/{checkpoint}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("write_card.py"),
        datasets=datasets_of,
    message:
        "write the model card of {wildcards.checkpoint} from {wildcards.study}"
    script:
        "../../scripts/write_card.py"
