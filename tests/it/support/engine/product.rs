//! What differs between database servers, and how their programs are run.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

/// A database server as Debian packages it.
pub(super) trait Product: Sync {
    /// The name of Debian's package.
    fn package(&self) -> &'static str;

    /// The user that runs the server if the tests run as root, which servers refuse. The package
    /// creates this user.
    fn user(&self) -> &'static str;

    /// The signal that ends the server at once and leaves nothing behind in the kernel.
    fn end_signal(&self) -> &'static str;

    /// Finds a program of the package.
    fn program(&self, name: &str) -> Option<PathBuf>;

    /// The name of the server's program.
    fn server_program(&self) -> &'static str;

    /// The program that initializes a data folder, and its arguments.
    fn installation(&self, data: &Path) -> (&'static str, Vec<String>);

    /// Finishes an installation before it is copied.
    fn finish_installation(&self, _data: &Path) {}

    /// The arguments of the server.
    fn server_arguments(&self, data: &Path, port: u16) -> Vec<String>;

    fn url(&self, port: u16) -> String;

    /// The statement that returns the path of the data folder.
    fn data_folder_query(&self) -> &'static str;

    /// Cleans up after a killed server that will not run on this data again.
    fn clean_up(&self, _data: &Path) {}
}

/// Returns a command for a program of the product. It runs as the product's user, which must have
/// access to `folder`, and it ends with the thread that starts it, even if the test is killed.
pub(super) fn command(product: &dyn Product, name: &str, folder: &Path) -> Command {
    let mut command = Command::new("setpriv"); // from util-linux, which Debian always has
    command.args(["--pdeathsig", product.end_signal()]);
    if uid() == 0 {
        let user = product.user();
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command
        .arg("--")
        .arg(find(product, name))
        .current_dir(folder);
    command
}

/// Returns the output of the server's `--version`.
pub(super) fn version(product: &dyn Product) -> String {
    let mut command = Command::new(find(product, product.server_program()));
    let output = command.arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Creates an empty folder that only the product's user may read, as PostgreSQL requires.
pub(super) fn make_folder(product: &dyn Product, path: &Path) {
    let mut command = Command::new("install");
    command.args(["--directory", "--mode", "700"]);
    if uid() == 0 {
        command.args(["--owner", product.user(), "--group", product.user()]);
    }
    run(command.arg(path));
}

/// Runs a program that must succeed; panics with its output if it fails.
pub(super) fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Returns the id of the user that runs the test.
pub(super) fn uid() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

fn find(product: &dyn Product, name: &str) -> PathBuf {
    product.program(name).unwrap_or_else(|| {
        let package = product.package();
        panic!(
            "`{name}` is missing: `cargo xtask test` installs it, as `apt-get install {package}` does"
        )
    })
}
