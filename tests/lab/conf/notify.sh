#!/bin/sh
# Writes down what it was told, one line a call.
echo "$1" >> /run/notify.log
