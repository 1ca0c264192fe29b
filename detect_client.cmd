@echo off
rem Double-click: asks for pictures and has the site, which run.cmd starts, detect objects in them.
if exist "%~dp0scripts\start.cmd" "%~dp0scripts\start.cmd" manage detect_client
echo Extract the whole archive first, then double-click detect_client.cmd in its folder.
pause
