"""Devices that report by mail, and people who read it: `ADDRESS SMTP_ADDRESS PROTOCOL USER:PASSWORD...`. Each user logs in in
every way that the server of the protocol offers; then one starts TLS first."""

import imaplib
import poplib
import smtplib
import ssl
import sys

address, smtp_address, protocol, *users = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.maximum_version = ssl.TLSVersion.TLSv1_2


def quietly(act, *arguments):
    try:
        return act(*arguments)
    except (smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto):
        return None


def smtp(name, password, mechanism, protected=False):
    server = smtplib.SMTP(smtp_address, 25, local_hostname="pump-7.lab", timeout=10)
    if protected:
        server.starttls(context=context)
    server.ehlo()
    server.user, server.password = name, password
    quietly(server.auth, mechanism, getattr(server, "auth_" + mechanism.lower().replace("-", "_")))
    quietly(server.sendmail, "pump-7@lab.example", ["shift@lab.example"], "Subject: low level\r\n\r\nTank 3 is low.\r\n")
    quietly(server.quit)


def pop3(name, password, way, protected=False):
    server = poplib.POP3(address, 110, timeout=10)
    if protected:
        server.stls(context=context)
    if way == "USER":
        server.user(name)
        quietly(server.pass_, password)
    elif way == "APOP":
        quietly(server.apop, name, password)
    quietly(server.quit)


def imap(name, password, way, protected=False):
    server = imaplib.IMAP4(address, 143, timeout=10)
    if protected:
        server.starttls(ssl_context=context)
    if way == "LOGIN":
        quietly(server.login, name, password)
    elif way == "CRAM-MD5":
        quietly(server.login_cram_md5, name, password)
    else:
        quietly(server.authenticate, "PLAIN", lambda _: f"\0{name}\0{password}".encode())
    quietly(server.logout)


TALKS = {"smtp": (smtp, "PLAIN", "LOGIN"), "pop3": (pop3, "USER", "APOP"), "imap": (imap, "LOGIN", "PLAIN", "CRAM-MD5")}
talk, *ways = TALKS[protocol]
for user in users:
    name, _, password = user.partition(":")
    for way in ways:
        talk(name, password, way)
talk(name, password, ways[0], protected=True)
