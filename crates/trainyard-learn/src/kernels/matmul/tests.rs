use super::*;

/// The definition, against which everything else is held.
fn naive(c: &mut [f32], a: Mat<'_>, b: Mat<'_>, start: Start<'_>) {
    for i in 0..a.rows {
        for j in 0..b.cols {
            let at = i * b.cols + j;
            c[at] = (0..a.cols).fold(started(start, c[at], j), |sum, k| {
                let (left, right) = terms(a, b, i, j, k);
                left.mul_add(right, sum)
            });
        }
    }
}

fn started(start: Start<'_>, output: f32, j: usize) -> f32 {
    match start {
        Start::Zero => 0.0,
        Start::Output => output,
        Start::Row(row) => row[j],
    }
}

fn terms(a: Mat<'_>, b: Mat<'_>, i: usize, j: usize, k: usize) -> (f32, f32) {
    let left = a.data[i * a.row_stride + k * a.col_stride];
    (left, b.data[k * b.row_stride + j * b.col_stride])
}

/// Numbers in [-1, 1), another sequence for every seed.
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Operands of a product of some shape, each stored as it is or transposed.
struct Case {
    shape: [usize; 3],
    a: Vec<f32>,
    b: Vec<f32>,
    row: Vec<f32>,
    before: Vec<f32>,
}

impl Case {
    fn new(shape @ [m, n, k]: [usize; 3]) -> Self {
        let seed = (m * 10_007 + n * 101 + k) as u64;
        Self {
            shape,
            a: numbers(seed, m * k),
            b: numbers(seed + 1, k * n),
            row: numbers(seed + 2, n),
            before: numbers(seed + 3, m * n),
        }
    }

    fn a(&self, transposed: bool) -> Mat<'_> {
        let [m, _, k] = self.shape;
        if transposed { Mat::new(&self.a, k, m).t() } else { Mat::new(&self.a, m, k) }
    }

    fn b(&self, transposed: bool) -> Mat<'_> {
        let [_, n, k] = self.shape;
        if transposed { Mat::new(&self.b, n, k).t() } else { Mat::new(&self.b, k, n) }
    }

    fn starts(&self) -> [Start<'_>; 3] {
        [Start::Zero, Start::Output, Start::Row(&self.row)]
    }

    /// Calls `f` with every way to store the operands and every start.
    fn each(&self, mut f: impl FnMut(Mat<'_>, Mat<'_>, Start<'_>)) {
        for (t_a, t_b) in [(false, false), (true, false), (false, true), (true, true)] {
            for start in self.starts() {
                f(self.a(t_a), self.b(t_b), start);
            }
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Every instruction set that is here computes what the definition says.
fn assert_naive(shape: [usize; 3], crew: &mut Crew) {
    let case = Case::new(shape);
    case.each(|a, b, start| {
        let mut expected = case.before.clone();
        naive(&mut expected, a, b, start);
        each_isa(|isa| {
            let mut c = case.before.clone();
            matmul_with(isa, &mut c, a, b, start, crew);
            assert!(bits(&c) == bits(&expected), "{isa:?}, {shape:?}, {start:?}, {a:?}, {b:?}");
        });
    });
}

fn each_isa(f: impl FnMut(Isa)) {
    Isa::ALL.iter().copied().filter(|isa| isa.is_here()).for_each(f);
}

#[test]
fn small_products_have_the_bits_of_the_plain_loop_on_every_instruction_set() {
    let mut crew = Crew::new(1);
    for case in 0..400_u64 {
        let size = |i: u64| 1 + numbers(case * 3 + i, 2)[1].abs().mul_add(70.0, 0.0) as usize;
        assert_naive([size(0), size(1), size(2)], &mut crew);
    }
    for m in 1..=17 {
        for n in 1..=50 {
            assert_naive([m, n, 5], &mut crew);
        }
    }
}

#[test]
fn large_products_have_the_bits_of_the_plain_loop_on_every_instruction_set() {
    let shapes = [
        [300, 17, 600],
        [33, 300, 257],
        [260, 290, 270],
        [520, 70, 64],
        [1, 700, 300],
        // A second block of rows, and of terms.
        [520, 140, 260],
        // Several tiles of a panel while the next one is fetched.
        [40, 512, 260],
    ];
    shapes.into_iter().for_each(|shape| assert_naive(shape, &mut Crew::new(1)));
}

#[test]
fn a_product_over_nothing_is_its_start() {
    for shape in [[9, 20, 0], [0, 5, 3], [5, 0, 3], [0, 0, 0]] {
        assert_naive(shape, &mut Crew::new(2));
    }
}

#[test]
fn the_number_of_threads_does_not_show_in_the_bits() {
    let shapes = [[256, 1024, 70], [1024, 256, 70], [784, 256, 128], [300, 10, 400], [37, 999, 41]];
    let mut changing = Crew::new(4);
    for shape in shapes {
        let case = Case::new(shape);
        case.each(|a, b, start| {
            let product = |crew: &mut Crew| {
                let mut c = case.before.clone();
                matmul(&mut c, a, b, start, crew);
                bits(&c)
            };
            let alone = product(&mut Crew::new(1));
            for n_threads in [3, 1, 4, 2] {
                changing.set_active(n_threads);
                assert!(product(&mut changing) == alone, "{n_threads} threads, {shape:?}");
            }
        });
    }
}

#[test]
fn a_product_is_as_exact_as_its_order_of_summing_allows() {
    let case = Case::new([30, 40, 500]);
    case.each(|a, b, start| {
        let mut c = case.before.clone();
        matmul(&mut c, a, b, start, &mut Crew::new(1));
        for i in 0..30 {
            for j in 0..40 {
                let at = i * 40 + j;
                let first = f64::from(started(start, case.before[at], j));
                let products = |k| {
                    let (left, right) = terms(a, b, i, j, k);
                    f64::from(left) * f64::from(right)
                };
                let exact: f64 = first + (0..500).map(products).sum::<f64>();
                let size: f64 = first.abs() + (0..500).map(|k| products(k).abs()).sum::<f64>();
                let bound = 500.0 * f64::from(f32::EPSILON) / 2.0 * size;
                assert!((f64::from(c[at]) - exact).abs() <= bound, "{} for {exact}", c[at]);
            }
        }
    });
}

#[test]
#[should_panic(expected = "inner dimensions")]
fn shapes_that_do_not_fit_are_a_defect() {
    let (a, b) = ([0.0; 6], [0.0; 6]);
    let (a, b) = (Mat::new(&a, 2, 3), Mat::new(&b, 2, 3));
    matmul(&mut [0.0; 6], a, b, Start::Zero, &mut Crew::new(1));
}
