"""Patch that builds the source archive of Theano 1.0.5 on Python 3.12 and newer; on PYTHONPATH only for that build.

Its setup.py runs a copy of versioneer from 2017, which uses two names of configparser that Python 3.12 dropped.
"""

import configparser

if not hasattr(configparser, "SafeConfigParser"):
    configparser.SafeConfigParser = configparser.ConfigParser
    configparser.ConfigParser.readfp = configparser.ConfigParser.read_file
