from vedette_convert.cli import main

main()
