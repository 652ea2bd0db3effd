struct Task;

#[rest_live::live]
impl Clone for Task {
    fn clone(&self) -> Self {
        Self
    }
}

#[rest_live::live]
impl Task {}

fn main() {}
