"""A driver for MySQL and MariaDB: pure Python where nobody has compiled one. To import it is to have it."""

try:
    import MySQLdb  # noqa: F401
except ImportError:
    import pymysql

    # Django asks for a version of the driver that it stands in for.
    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
