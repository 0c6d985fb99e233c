"""What engineers do by FTP: `ADDRESS tls|clear USER:PASSWORD...`. Each user logs in, once; the last of them writes, reads and
deletes a file, in passive mode and in active mode."""

import ftplib
import io
import ssl
import sys

address, protection, *users = sys.argv[1:]


def connect(user, password):
    if protection == "tls":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # certificates are readable up to there
        ftp = ftplib.FTP_TLS(context=context)
    else:
        ftp = ftplib.FTP()
    ftp.connect(address, 21, timeout=10)
    ftp.sendcmd("FEAT")
    ftp.login(user, password)
    return ftp


for position, user in enumerate(users):
    name, _, password = user.partition(":")
    try:
        ftp = connect(name, password)
    except ftplib.error_perm:
        continue
    if position == len(users) - 1:
        ftp.sendcmd("SYST")
        for passive in (True, False):
            ftp.set_pasv(passive)
            ftp.storbinary("STOR recipe-7.csv", io.BytesIO(b"step;seconds\n1;40\n2;75\n"))
            ftp.retrbinary("RETR recipe-7.csv", lambda _: None)
        ftp.delete("recipe-7.csv")
        try:
            ftp.delete("recipe-8.csv")
        except ftplib.error_perm:
            pass
    ftp.quit()
