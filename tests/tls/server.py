# A server of one connection after another. What it is, is its first argument:
#   plain FILE         sends the file to whoever comes, without TLS, and goes on listening
#   name CERTIFICATE   speaks TLS and sends the name that it was asked for
#   unclean CERTIFICATE  sends a page and ends the connection without an announcement
#   large CERTIFICATE  sends 300,000 octets
# The port is printed as soon as it listens.
import socket
import ssl
import sys

kind, path = sys.argv[1], sys.argv[2]
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
