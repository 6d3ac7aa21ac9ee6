"""A server of three lines, for tests of what all private servers have in common."""

import socket
import sys

if __name__ == "__main__":
    port, goes = int(sys.argv[1]), sys.argv[2]
    if goes == "down":
        sys.exit("no greetings today")
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"hello")
