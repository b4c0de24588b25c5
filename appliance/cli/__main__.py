"""`python -m appliance.cli`: the same as `postern`."""

from appliance.cli import main

main()
