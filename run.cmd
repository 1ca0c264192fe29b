@echo off
rem Double-click: sets everything up, starts the site and opens it in the browser.
if exist "%~dp0scripts\start.cmd" "%~dp0scripts\start.cmd" run --open
echo Extract the whole archive first, then double-click run.cmd in its folder.
pause
