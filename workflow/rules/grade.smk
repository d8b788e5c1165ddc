# Grades: what became of each response.


rule grade:
    input:
        responses=f"{RESULTS}/responses/{{checkpoint}}/{{decoding}}.parquet",
        questions=questions_asked,
    output:
        grades=f"{RESULTS}/grades/{{checkpoint}}/{{decoding}}/{{grader}}.parquet",
    log:
        f"{RESULTS}/logs/grade/{{checkpoint}}/{{decoding}}/{{grader}}.log",
    benchmark:
        f"{RESULTS}/timings/grade/{{checkpoint}}/{{decoding}}/{{grader}}.tsv"
    conda:
        "../../envs/cpu.yaml"
    params:
        code=lambda wildcards: code_digest("grade.py", [grader_module(wildcards.grader, "grader")]),
        budget=lambda wildcards: experiment.decoding_of(wildcards.checkpoint, wildcards.decoding).max_new_tokens,
    message:
        "grade {wildcards.checkpoint}"
    script:
        "../../scripts/grade.py"
