@echo off
rem Double-click: asks for pictures and has them classified by the site, which run.cmd starts.
if exist "%~dp0scripts\start.cmd" "%~dp0scripts\start.cmd" manage classify_client
echo Extract the whole archive first, then double-click classify_client.cmd in its folder.
pause
