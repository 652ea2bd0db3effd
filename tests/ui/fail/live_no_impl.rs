#[rest_live::live]
struct ActiveModel {
    id: i32,
}

fn main() {}
