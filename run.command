#!/bin/sh
# Double-click: sets everything up, starts the site and opens it in the browser.
"$(dirname "$0")/scripts/start" run --open && exit
printf 'Press Enter to close this window. '
read -r _
