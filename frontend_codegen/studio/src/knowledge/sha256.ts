/**
 * SHA-256 of a file, piece by piece. The browser's own digest wants the whole file in memory, and exists only in secure
 * contexts; a LAN address is not one.
 */
const BLOCK = 64;
const PRIMES = firstPrimes(64);
/** The first 32 bits of the fractions of the primes' roots: cubic ones for the rounds, square ones to begin with. */
const ROUNDS = Uint32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));
const START = Uint32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

function firstPrimes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}

function fraction(root: number): number {
  return Math.floor((root % 1) * 2 ** 32);
}

const turn = (word: number, by: number) => (word >>> by) | (word << (32 - by));

/** Takes one block of 64 bytes at `at` into the state. */
function take(state: Uint32Array, words: Uint32Array, view: DataView, at: number): void {
  for (let i = 0; i < 16; i++) words[i] = view.getUint32(at + i * 4);
  for (let i = 16; i < 64; i++) {
    const a = words[i - 15]!;
    const b = words[i - 2]!;
    const low = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
    const high = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
    words[i] = words[i - 16]! + low + words[i - 7]! + high;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < 64; i++) {
    const high = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const one = (h + high + ((e & f) ^ (~e & g)) + ROUNDS[i]! + words[i]!) | 0;
    const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => (state[index] = state[index]! + word));
}

/** The hash in hexadecimal digits. */
export async function sha256(file: Blob): Promise<string> {
  const state = START.slice();
  const words = new Uint32Array(64);
  const rest = new Uint8Array(BLOCK * 2);
  let held = 0;
  const reader = (file.stream() as ReadableStream<Uint8Array>).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const piece = read.value;
    let at = 0;
    if (held > 0) {
      at = Math.min(BLOCK - held, piece.length);
      rest.set(piece.subarray(0, at), held);
      held += at;
      if (held < BLOCK) continue;
      take(state, words, new DataView(rest.buffer), 0);
    }
    const view = new DataView(piece.buffer, piece.byteOffset, piece.length);
    for (; at + BLOCK <= piece.length; at += BLOCK) take(state, words, view, at);
    held = piece.length - at;
    rest.set(piece.subarray(at), 0);
  }
  const blocks = held + 9 > BLOCK ? 2 : 1;
  rest.fill(0, held);
  rest[held] = 0x80;
  const view = new DataView(rest.buffer);
  view.setBigUint64(blocks * BLOCK - 8, BigInt(file.size) * 8n);
  for (let block = 0; block < blocks; block++) take(state, words, view, block * BLOCK);
  return Array.from(state, (word) => word.toString(16).padStart(8, '0')).join('');
}
