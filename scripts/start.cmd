@echo off
rem Runs setup.py with any Python from 3.6 on; setup.py looks for one that the site runs on.
setlocal
set "PYTHONUTF8=1"
set "FOUND="
call :try py -3.13
call :try py -3.12
call :try py -3.11
call :try py -3
call :try python
call :try python3
if not defined FOUND goto missing
call %FOUND% "%~dp0setup.py" %*
set "STATUS=%errorlevel%"
if not "%STATUS%"=="0" pause
exit /b %STATUS%

:try
rem By "call", as a version manager's python is a .bat file; from "nul", as it may ask a question.
if defined FOUND exit /b
call %* -c "f''" <nul >nul 2>nul
if "%errorlevel%"=="0" set "FOUND=%*"
exit /b

:missing
echo No Python was found. Install Python 3.13, for example in a terminal by
echo   winget install --architecture x64 Python.Python.3.13
echo or with the "Windows installer (64-bit)" of Python 3.13 from
echo   https://www.python.org/downloads/windows/
echo Then double-click this file again.
pause
exit /b 1
