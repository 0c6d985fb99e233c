#!/usr/bin/env python3
"""What telnetd starts on its terminal: asks who it is, as devices do, and lets the right ones look around.

`WORDS USER:PASSWORD...`, WORDS being a name of TEXTS."""

import getpass
import sys

TEXTS = {
    "english": ("Lab switch LS-8, firmware 2.4.1", "login: ", "Password: ", "Login incorrect", "Last login: Monday\nLS-8 shell"),
    "german": ("Pumpensteuerung PS-2", "Benutzername: ", "Kennwort: ", "Anmeldung fehlgeschlagen", "Willkommen"),
    "french": ("Automate AP-3", "Identifiant: ", "Mot de passe: ", "Identification incorrecte", "Bienvenue"),
}

words, *users = sys.argv[1:]
banner, name, password, refused, welcome = TEXTS[words]
print(banner + "\n")
for _ in range(3):
    given = input(name)
    if f"{given}:{getpass.getpass(password)}" in users:
        break
    print(refused + "\n")
else:
    sys.exit()
print(welcome)
while (typed := input("> ")) != "exit":
    print("uptime 41 days" if typed == "status" else "unknown command")
