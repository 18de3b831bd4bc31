from bench.cli import COMPLETE_VARIABLE, main

main(prog_name="python -m bench", complete_var=COMPLETE_VARIABLE)
