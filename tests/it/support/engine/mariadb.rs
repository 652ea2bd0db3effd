//! MariaDB, of Debian's package.

use std::path::{Path, PathBuf};

use super::product::{self, Product};

/// The database on the server.
const DATABASE: &str = "test";

/// For the installation and the server alike: the size of the log is changed at a start otherwise. Neither
/// reads the settings of the machine.
const SETTINGS: [&str; 3] = [
    "--innodb-log-file-size=4M",
    "--character-set-server=utf8mb4",
    "--skip-name-resolve",
];

pub(super) struct MariaDb;

impl Product for MariaDb {
    fn package(&self) -> &'static str {
        "mariadb-server"
    }

    fn user(&self) -> &'static str {
        "mysql"
    }

    /// Any other signal is an orderly shutdown, which takes seconds. This one leaves files only.
    fn end(&self) -> &'static str {
        "KILL"
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let folders = ["/usr/sbin", "/usr/bin"];
        let mut programs = folders
            .map(|folder| Path::new(folder).join(name))
            .into_iter();
        programs.find(|program| program.exists())
    }

    fn server(&self) -> &'static str {
        "mariadbd"
    }

    fn installation(&self, data: &Path) -> (&'static str, Vec<String>) {
        let arguments = [
            "--no-defaults", // which must come first
            "--auth-root-authentication-method=normal",
            "--skip-test-db", // whose character set is latin1, whatever the server's is
        ];
        let folder = format!("--datadir={}", data.display());
        let arguments = arguments.into_iter().chain(SETTINGS).map(str::to_owned);
        ("mariadb-install-db", arguments.chain([folder]).collect())
    }

    /// A folder is a database, with the server's character set where it says nothing else.
    fn complete(&self, data: &Path) {
        product::make_folder(self, &data.join(DATABASE));
    }

    fn serving(&self, data: &Path, port: u16) -> Vec<String> {
        let arguments = [
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--socket=server.sock", // in the folder of the data
            "--pid-file=server.pid",
            "--max-connections=200",
            // What is written survives the server's death as it is, and no test takes the machine's power.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-doublewrite=0",
        ];
        let place = [
            format!("--datadir={}", data.display()),
            format!("--port={port}"),
        ];
        let arguments = arguments.into_iter().chain(SETTINGS).map(str::to_owned);
        arguments.chain(place).collect()
    }

    fn url(&self, port: u16) -> String {
        format!("mysql://root@127.0.0.1:{port}/{DATABASE}")
    }

    fn whereabouts(&self) -> &'static str {
        "SELECT @@datadir"
    }
}
