//! The schemas are part of the program: a new file among them is a reason to build it anew.

fn main() {
    println!("cargo:rerun-if-changed=schemas");
}
