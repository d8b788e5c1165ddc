# Grades: what became of each response.


rule grade:
    input:
        responses=layout.responses("{checkpoint}", "{decoding}"),
        questions=questions_asked,
    output:
        grades=layout.grades("{checkpoint}", "{decoding}", "{grader}"),
    log:
        layout.log("grade", "{checkpoint}/{decoding}/{grader}"),
    benchmark:
        layout.timing("grade", "{checkpoint}/{decoding}/{grader}")
    # Before any further decoding, so that there are numbers to look at early; and on one thread, so that it fits where
    # a decode job has ended.
    priority: 10**9
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    params:
        store=layout.verdicts("{checkpoint}", "{decoding}"),
        answers=layout.answers,
        code=lambda wildcards: code_digest("grade.py", [grader_module(wildcards.grader, "grader")]),
        packages=package_versions(LIBRARIES),
    message:
        "grade the responses of {wildcards.checkpoint}, {wildcards.decoding}"
    script:
        "../../scripts/grade.py"
