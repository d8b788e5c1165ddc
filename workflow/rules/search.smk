# The search for a short merge. Each round is a study of its own, whose candidates follow from the rounds before: the
# rules of decoding, grading and comparing serve it like any other.


rule split_questions:
    input:
        questions=layout.questions("{entry}"),
    output:
        questions=layout.questions(asked_in("{entry}", round_study("{search}", "{round}"))),
    log:
        layout.log("split_questions", "{entry}/{search}/{round}"),
    benchmark:
        layout.timing("split_questions", "{entry}/{search}/{round}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("split_questions.py"),
        splitting=lambda wildcards: experiment.studies[wildcards.search].splitting(wildcards.round),
    message:
        "take the questions of {wildcards.entry} that round {wildcards.round} of {wildcards.search} asks"
    script:
        "../../scripts/split_questions.py"


checkpoint propose:
    input:
        unpack(lambda wildcards: measured_rounds(wildcards, rounds_before(wildcards))),
        # Fetched first: a plan counts them, and one that is not there stops the search before it begins.
        models=models_searched,
    output:
        candidates=layout.candidates("{search}", "{round}"),
        trials=layout.trials("{search}", "{round}"),
    log:
        layout.log("propose", "{search}/{round}"),
    benchmark:
        layout.timing("propose", "{search}/{round}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest(
            "propose.py", experiment.studies[wildcards.search].methods(experiment.registry)
        ),
        proposing=lambda wildcards: experiment.studies[wildcards.search].proposing(wildcards.round, experiment.registry),
    message:
        "propose what round {wildcards.round} of {wildcards.search} asks"
    script:
        "../../scripts/propose.py"


checkpoint judge:
    input:
        unpack(lambda wildcards: measured_rounds(wildcards, experiment.studies[wildcards.search].round_names)),
        unpack(slow_model_asked),
    output:
        verdict=layout.verdict("{search}"),
    log:
        layout.log("judge", "{search}"),
    benchmark:
        layout.timing("judge", "{search}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest(
            "judge.py", experiment.studies[wildcards.search].methods(experiment.registry)
        ),
        judging=lambda wildcards: experiment.studies[wildcards.search].judging(experiment.registry),
    message:
        "judge what {wildcards.search} found"
    script:
        "../../scripts/judge.py"


rule export_model:
    input:
        verdict=layout.verdict("{search}"),
        manifest=lambda wildcards: layout.manifest(found_by(wildcards)["checkpoint"]),
        card=lambda wildcards: layout.card(round_study(wildcards.search, REPORT), found_by(wildcards)["checkpoint"]),
    output:
        manifest=layout.shortened_model("{search}"),
    log:
        layout.log("export_model", "{search}"),
    benchmark:
        layout.timing("export_model", "{search}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("export_model.py"),
    message:
        "put the model that {wildcards.search} found into a folder of its own"
    script:
        "../../scripts/export_model.py"


rule show_search:
    input:
        verdict=layout.verdict("{search}"),
        model=lambda wildcards: [layout.shortened_model(wildcards.search)] if found_by(wildcards) else [],
    output:
        page=report(
            layout.shortened_page("{search}"),
            caption="../report/search.rst",
            category="{search}",
            labels={"output": "search"},
        ),
    log:
        layout.log("show_search", "{search}"),
    benchmark:
        layout.timing("show_search", "{search}")
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("show_search.py"),
        page=page_digest("search.html.j2"),
    message:
        "show what {wildcards.search} found"
    script:
        "../../scripts/show_search.py"
