//! The data folder of a new server. It is created once per machine, because that takes seconds, and
//! copied for each test.

use std::{
    fs::{self, File, Permissions},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::product::{self, Product};

/// Copies the data to `to`, which must not exist.
pub(super) fn copy(product: &dyn Product, to: &Path) {
    // The copy has the same owner as the data.
    product::run(
        Command::new("cp")
            .args(["--archive", "--reflink=auto", "--"])
            .args([&cached(product), to]),
    );
}

/// Creates a temporary folder that the product's user can enter.
pub(super) fn folder(product: &dyn Product) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("rest-live-{}-", product.package()))
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

/// Returns the path of the data. The first test that needs it creates it.
fn cached(product: &dyn Product) -> PathBuf {
    let package = product.package();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let cached = cache.join(format!("{package}-{:016x}", key(product)));
    if cached.exists() {
        return cached;
    }
    // One test creates it, and the others wait. The lock is released when the process ends.
    let lock = File::create(cache.join(format!("{package}.lock"))).unwrap();
    lock.lock().unwrap();
    if !cached.exists() {
        // The product's user can write here, but perhaps not in the cache, which may be in a home.
        let folder = folder(product);
        let data = folder.path().join("data");
        create(product, &data);
        let copy = cache.join(format!("{package}.partial"));
        product::run(Command::new("rm").args(["-rf", "--"]).arg(&copy));
        product::run(
            Command::new("cp")
                .args(["--archive", "--"])
                .args([&data, &copy]),
        );
        // Renamed when it is complete, so that a test that finds it needs no lock.
        fs::rename(&copy, &cached).unwrap();
    }
    cached
}

fn create(product: &dyn Product, data: &Path) {
    product::make_folder(product, data);
    let (program, arguments) = product.installation(data);
    product::run(product::command(product, program, data).args(arguments));
    product.finish_installation(data);
}

/// Hashes what the data depends on: the version of the server, the user and the settings.
fn key(product: &dyn Product) -> u64 {
    let mut hasher = DefaultHasher::new();
    product::version(product).hash(&mut hasher);
    product.installation(Path::new("")).hash(&mut hasher);
    product::uid().hash(&mut hasher);
    hasher.finish()
}
