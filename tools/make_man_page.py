#!/usr/bin/env python3
"""Writes millrace(1) from what the program says of itself: its help, and the help of each command.

  tools/make_man_page.py PROGRAM > millrace.1
"""

import datetime
import os
import re
import subprocess
import sys

INTRODUCTION = """\
.SH DESCRIPTION
.B millrace serve
runs a message broker that speaks AMQP 0-9-1 as RabbitMQ does. Every other command talks to a broker that runs: it asks the
management HTTP API, and uses AMQP to publish, consume and move messages.
.PP
Called by the name
.BR rabbitmqctl ,
the program takes RabbitMQ's commands. The Debian package has it by that name in
.IR /usr/lib/millrace .
"""

CLOSING = """\
.SH CONFIGURATION
Each option of
.B millrace serve
is also a key of the TOML file that
.B \\-\\-config
names
.RB ( "shards = 4" ),
and an environment variable
.RB ( MILLRACE_SHARDS=4 ).
The command line wins over the environment, the environment over the file, the file over the default.
.SH ENVIRONMENT
.TP
.BR MILLRACE_HTTP ", " MILLRACE_USER ", " MILLRACE_PASSWORD ", " MILLRACE_PASSWORD_FILE
Which broker the commands ask, and as whom.
.TP
.B MILLRACE_CONFIG
The configuration file of
.BR "millrace serve" .
.TP
.B MILLRACE_\\fIOPTION\\fR
An option of
.BR "millrace serve" :
.B MILLRACE_DATA_DIR
is
.BR \\-\\-data\\-dir .
.TP
.BR NOTIFY_SOCKET ", " WATCHDOG_USEC ", " JOURNAL_STREAM
As systemd sets them, see
.BR sd_notify (3),
.BR sd_watchdog_enabled (3)
and
.BR systemd.exec (5).
.TP
.BR NO_COLOR ", " TERM=dumb
No colours in tables.
.SH FILES
.TP
.I /etc/millrace/millrace.toml
The configuration of the service
.BR millrace.service .
.TP
.I /var/lib/millrace
Its messages and definitions.
.SH SIGNALS
SIGTERM and SIGINT ask the clients of the broker to close, wait for them at most 5 seconds, make everything durable and end
it with status 0. A second one ends it at once. SIGHUP does nothing.
.SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
The broker refused or could not start, a check failed, or an interrupt came before all was done.
.TP
.B 2
What was typed or configured cannot be meant.
.TP
.B 3
There is no broker where it was looked for, or it does not answer.
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1)
.PP
The documents in
.IR /usr/share/doc/millrace .
"""


def roff(text):
    """Text as it is, for the middle of a line."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def literal(lines):
    return ".PP\n.nf\n.RS 4\n" + "".join(roff(line) + "\n" for line in lines) + ".RE\n.fi\n"


class Help:
    """The help of one command, cut into its parts."""

    ENTRY = re.compile(r"  (\S.*?)(?:\s{2,}(\S.*))?$")
    CONTINUED = re.compile(r"\s{10,}(\S.*)$")

    def __init__(self, program, words=()):
        self.lines = subprocess.run(
            [program, *words, "--help"], check=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
        ).stdout.splitlines()
        self.sections, section = {"": []}, ""
        for line in self.lines:
            heading = re.fullmatch(r"(\S.*):", line)
            if heading:
                section = heading[1]
                self.sections[section] = []
            elif line.startswith("  ") or not line:
                self.sections[section].append(line)
            else:
                section = ""
                self.sections[section].append(line)

    def usage(self):
        return next(line.removeprefix("Usage: ") for line in self.lines if line.startswith("Usage: "))

    def entries(self, section):
        found = []
        for line in self.sections.get(section, []):
            continued = self.CONTINUED.match(line)
            entry = self.ENTRY.match(line)
            if continued and found:
                found[-1][1] = (found[-1][1] + " " + continued[1]).strip()
            elif entry:
                found.append([entry[1], entry[2] or ""])
        if not found and section in self.sections:
            raise SystemExit(f"make_man_page.py: '{section}' of the help has nothing in it")
        return found

    def examples(self):
        return [line[2:] for line in self.sections.get("Examples", []) if line]


def tagged(entries):
    text = ""
    for name, help_text in entries:
        if name.startswith("-h,"):
            continue
        text += f".TP\n.B {roff(name.replace(' REQUIRED', '').replace(',--', ', --'))}\n{roff(help_text)}\n"
    return text


def version_of(program):
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def date():
    """Of the source where that is said, so that the page is the same when it is made again."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    day = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc) if seconds else datetime.date.today()
    return day.strftime("%Y-%m-%d")


def page(program):
    overview = Help(program)
    serve = Help(program, ["serve"])
    out = f'.TH MILLRACE 1 "{date()}" "{version_of(program)}" "User Commands"\n'
    out += ".SH NAME\nmillrace \\- message broker, and its command line\n"
    out += ".SH SYNOPSIS\n.B millrace serve\n.RI [ OPTIONS ]\n.br\n.B millrace\n.I COMMAND\n.RI [ OPTIONS ]\n"
    out += INTRODUCTION
    out += ".SH OPTIONS OF MILLRACE SERVE\n" + tagged(serve.entries("Options"))
    commands = overview.entries("Commands")
    connection = None
    out += ".SH COMMANDS\n"
    for words, summary in commands:
        if words == "serve":
            continue
        own = Help(program, words.split())
        usage = re.sub(r"\s*\[OPTIONS\]", "", own.usage())
        out += f".SS {roff(usage)}\n{roff(summary)}.\n"
        out += tagged(own.entries("Positionals"))
        out += tagged(own.entries("Options"))
        examples = own.examples()
        if examples:
            out += literal(examples)
        connection = connection or own.entries("The broker")
    out += ".SH OPTIONS OF EVERY COMMAND\n" + tagged(connection)
    out += CLOSING
    out += ".SH EXAMPLES\n" + literal(serve.examples())
    return out


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if len(sys.argv) == 2 else 2
    sys.stdout.write(page(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
