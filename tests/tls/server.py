# A server of one connection after another. What it is, is its first argument:
#   plain FILE         sends the file to whoever comes, without TLS, and goes on listening
#   name CERTIFICATE   speaks TLS and sends the name that it was asked for
#   unclean CERTIFICATE  sends a page and ends the connection without an announcement
#   large CERTIFICATE  sends 300,000 octets
#   canceled12, canceled13 CERTIFICATE  sends a page and the alert user_canceled before it announces the end, which only
#                      GnuTLS can be told to, with this version of TLS
# The port is printed as soon as it listens.
import ctypes
import socket
import ssl
import sys

kind, path = sys.argv[1], sys.argv[2]


def cancel(connection):
    gnutls, session = ctypes.CDLL("libgnutls.so.30"), ctypes.c_void_p()
    of_server, pem, of_certificates, warning, user_canceled, write_side = 1 << 0, 1, 1, 1, 90, 1
    certificates = ctypes.c_void_p()
    gnutls.gnutls_certificate_allocate_credentials(ctypes.byref(certificates))
    file = path.encode()
    assert gnutls.gnutls_certificate_set_x509_key_file(certificates, file, file, pem) >= 0
    gnutls.gnutls_init(ctypes.byref(session), of_server)
    version = b"NORMAL:-VERS-ALL:+VERS-TLS1." + kind[-1:].encode()
    assert gnutls.gnutls_priority_set_direct(session, version, None) == 0
    gnutls.gnutls_credentials_set(session, of_certificates, certificates)
    gnutls.gnutls_transport_set_int2(session, connection.fileno(), connection.fileno())
    if gnutls.gnutls_handshake(session) == 0:
        heard = ctypes.create_string_buffer(5000)
        page = b"HTTP/1.0 200 OK\r\n\r\npage"
        gnutls.gnutls_record_recv(session, heard, ctypes.c_size_t(len(heard)))
        gnutls.gnutls_record_send(session, page, ctypes.c_size_t(len(page)))
        gnutls.gnutls_alert_send(session, warning, user_canceled)
        gnutls.gnutls_bye(session, write_side)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(5000):
            pass
    gnutls.gnutls_deinit(session)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
asked = []
if kind != "plain":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
while True:
    connection, _ = listener.accept()
    connection.settimeout(20)
    try:
        if kind == "plain":
            connection.recv(100000)
            with open(path, "rb") as file:
                connection.sendall(file.read())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(100000):
                pass
            continue
        if kind.startswith("canceled"):
            connection.settimeout(None)
            cancel(connection)
            continue
        asked.clear()
        session = context.wrap_socket(connection, server_side=True)
        session.recv(100000)
        if kind == "large":
            session.sendall(b"x" * 300000)
            session.unwrap()
        elif kind == "unclean":
            session.sendall(b"HTTP/1.0 200 OK\r\n\r\npage")
            session.shutdown(socket.SHUT_RDWR)
        else:
            session.sendall(("name: %s" % asked).encode())
            session.unwrap()
    except OSError:
        pass
    finally:
        connection.close()
