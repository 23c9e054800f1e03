//! How fast the kernels are, beside the processor's peak and beside other libraries.
//!
//! `cargo bench -p trainyard-learn --bench kernels`, with a part of a name to run less. Items are
//! floating-point operations, so Gitem/s are GFLOP/s; read "fastest", the others hold the noise of
//! whatever else runs. `MATMUL_NUM_THREADS=1` keeps matrixmultiply on one thread.
#![expect(unsafe_code, reason = "the other libraries take pointers, and the peak is intrinsics")]

use std::sync::atomic::{AtomicUsize, Ordering};

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use trainyard_learn::kernels::{Crew, Mat, Start, matmul};

fn main() {
    divan::main();
}

/// A product in a training step, named by network, direction and output × inner size.
#[derive(Clone, Copy)]
struct Product {
    name: &'static str,
    a_transposed: bool,
    b_transposed: bool,
    /// Rows of the output, columns of the output, terms of each sum.
    shape: [usize; 3],
}

const fn forward(name: &'static str, shape: [usize; 3]) -> Product {
    Product { name, a_transposed: false, b_transposed: false, shape }
}

const fn to_weights(name: &'static str, shape: [usize; 3]) -> Product {
    Product { name, a_transposed: true, b_transposed: false, shape }
}

const fn to_inputs(name: &'static str, shape: [usize; 3]) -> Product {
    Product { name, a_transposed: false, b_transposed: true, shape }
}

/// small: 32 rows through 20, 64, 64, 2; mnist: 128 rows through 784, 256, 128, 10; wide: 256 rows
/// through 512, 1024, 1024, 1024, 10.
const PRODUCTS: &[Product] = &[
    forward("small y 32x64 over 20", [32, 64, 20]),
    to_weights("small dw 20x64 over 32", [20, 64, 32]),
    forward("small y 32x64 over 64", [32, 64, 64]),
    to_weights("small dw 64x64 over 32", [64, 64, 32]),
    to_inputs("small dx 32x64 over 64", [32, 64, 64]),
    forward("small y 32x2 over 64", [32, 2, 64]),
    to_weights("small dw 64x2 over 32", [64, 2, 32]),
    to_inputs("small dx 32x64 over 2", [32, 64, 2]),
    forward("mnist y 128x256 over 784", [128, 256, 784]),
    to_weights("mnist dw 784x256 over 128", [784, 256, 128]),
    forward("mnist y 128x128 over 256", [128, 128, 256]),
    to_weights("mnist dw 256x128 over 128", [256, 128, 128]),
    to_inputs("mnist dx 128x256 over 128", [128, 256, 128]),
    forward("mnist y 128x10 over 128", [128, 10, 128]),
    to_weights("mnist dw 128x10 over 128", [128, 10, 128]),
    to_inputs("mnist dx 128x128 over 10", [128, 128, 10]),
    forward("wide y 256x1024 over 512", [256, 1024, 512]),
    to_weights("wide dw 512x1024 over 256", [512, 1024, 256]),
    forward("wide y 256x1024 over 1024", [256, 1024, 1024]),
    to_weights("wide dw 1024x1024 over 256", [1024, 1024, 256]),
    to_inputs("wide dx 256x1024 over 1024", [256, 1024, 1024]),
    forward("wide y 256x10 over 1024", [256, 10, 1024]),
    to_weights("wide dw 1024x10 over 256", [1024, 10, 256]),
    to_inputs("wide dx 256x1024 over 10", [256, 1024, 10]),
];

impl std::fmt::Display for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Product {
    fn values(self) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let [m, n, k] = self.shape;
        let numbers = |n: usize| (0..n).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect();
        (vec![0.0; m * n], numbers(m * k), numbers(k * n))
    }

    fn n_operations(self) -> ItemsCount {
        ItemsCount::new(2 * self.shape.iter().product::<usize>())
    }

    /// The strides of the operands' rows and columns.
    fn strides(self) -> [isize; 4] {
        let [m, n, k] = self.shape.map(|size| size as isize);
        let (a_row, a_col) = if self.a_transposed { (1, m) } else { (k, 1) };
        let (b_row, b_col) = if self.b_transposed { (1, k) } else { (n, 1) };
        [a_row, a_col, b_row, b_col]
    }
}

fn trainyard(bencher: Bencher<'_, '_>, product: Product, n_threads: usize) {
    let ((mut c, a, b), [m, n, k]) = (product.values(), product.shape);
    let a = if product.a_transposed { Mat::new(&a, k, m).t() } else { Mat::new(&a, m, k) };
    let b = if product.b_transposed { Mat::new(&b, n, k).t() } else { Mat::new(&b, k, n) };
    let mut crew = Crew::new(n_threads);
    bencher.counter(product.n_operations()).bench_local(|| {
        matmul(black_box(&mut c), a, b, Start::Zero, &mut crew);
    });
}

#[divan::bench(args = PRODUCTS)]
fn trainyard_1_thread(bencher: Bencher<'_, '_>, product: Product) {
    trainyard(bencher, product, 1);
}

#[divan::bench(args = PRODUCTS)]
fn trainyard_2_threads(bencher: Bencher<'_, '_>, product: Product) {
    trainyard(bencher, product, 2);
}

fn with_gemm(bencher: Bencher<'_, '_>, product: Product, parallelism: gemm::Parallelism) {
    let ((mut c, a, b), [m, n, k]) = (product.values(), product.shape);
    let [a_row, a_col, b_row, b_col] = product.strides();
    bencher.counter(product.n_operations()).bench_local(|| {
        let c = black_box(&mut c).as_mut_ptr();
        let (a, b) = (a.as_ptr(), b.as_ptr());
        // SAFETY: the vectors have the sizes that the shape and the strides say.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c,
                1,
                n as isize,
                false,
                a,
                a_col,
                a_row,
                b,
                b_col,
                b_row,
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    });
}

#[divan::bench(args = PRODUCTS)]
fn gemm_1_thread(bencher: Bencher<'_, '_>, product: Product) {
    with_gemm(bencher, product, gemm::Parallelism::None);
}

#[divan::bench(args = PRODUCTS)]
fn gemm_2_threads(bencher: Bencher<'_, '_>, product: Product) {
    with_gemm(bencher, product, gemm::Parallelism::Rayon(2));
}

#[divan::bench(args = PRODUCTS)]
fn matrixmultiply(bencher: Bencher<'_, '_>, product: Product) {
    let ((mut c, a, b), [m, n, k]) = (product.values(), product.shape);
    let [a_row, a_col, b_row, b_col] = product.strides();
    bencher.counter(product.n_operations()).bench_local(|| {
        let c = black_box(&mut c).as_mut_ptr();
        let (a, b) = (a.as_ptr(), b.as_ptr());
        // SAFETY: the vectors have the sizes that the shape and the strides say.
        unsafe {
            matrixmultiply::sgemm(
                m, k, n, 1.0, a, a_row, a_col, b, b_row, b_col, 0.0, c, n as isize, 1,
            );
        }
    });
}

/// A phase with nothing to do, which the caller takes back from helpers that are not so quick.
#[divan::bench(args = [1, 2], sample_size = 1000)]
fn crew_empty_phase(bencher: Bencher<'_, '_>, n_threads: usize) {
    let mut crew = Crew::new(n_threads);
    let mut values = [0.0; 32];
    bencher.bench_local(|| {
        crew.for_blocks([black_box(&mut values)], 16, |_, [values]| values[0] += 1.0);
    });
}

/// A phase of two parts that wait for each other: to a helper and back.
#[divan::bench(sample_size = 1000)]
fn crew_round_trip(bencher: Bencher<'_, '_>) {
    let mut crew = Crew::new(2);
    let mut values = [0.0; 32];
    bencher.bench_local(|| {
        let n_here = AtomicUsize::new(0);
        crew.for_blocks([&mut values], 16, |_, _| {
            n_here.fetch_add(1, Ordering::Relaxed);
            while n_here.load(Ordering::Relaxed) < 2 {
                std::hint::spin_loop();
            }
        });
    });
}

#[cfg(target_arch = "x86_64")]
mod peak {
    //! Fused multiply-adds between registers: nothing can be faster.

    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};

    use super::{Bencher, ItemsCount, black_box};

    const N_ROUNDS: usize = 100_000;
    /// Enough for two instructions a cycle, each of which takes four.
    const N_SUMS: usize = 12;

    #[divan::bench(threads = [1, 2])]
    fn avx512(bencher: Bencher<'_, '_>) {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the instructions.
            bencher.counter(n_operations(16)).bench(|| unsafe { run_avx512() });
        }
    }

    #[divan::bench(threads = [1, 2])]
    fn avx2(bencher: Bencher<'_, '_>) {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has the instructions.
            bencher.counter(n_operations(8)).bench(|| unsafe { run_avx2() });
        }
    }

    fn n_operations(n_lanes: usize) -> ItemsCount {
        ItemsCount::new(2 * n_lanes * N_SUMS * N_ROUNDS)
    }

    #[target_feature(enable = "avx512f")]
    fn run_avx512() {
        let half = _mm512_set1_ps(black_box(0.5));
        let mut sums = [half; N_SUMS];
        for _ in 0..N_ROUNDS {
            // A closure would be called, for lack of the instructions around it.
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, half, half);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    fn run_avx2() {
        let half = _mm256_set1_ps(black_box(0.5));
        let mut sums = [half; N_SUMS];
        for _ in 0..N_ROUNDS {
            // A closure would be called, for lack of the instructions around it.
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, half, half);
            }
        }
        black_box(sums);
    }
}
