const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** The digest of no bytes. */
export const ofNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/** Returns the sha256 digest of bytes as hexadecimal digits. The platform computes it outside the main thread. */
export const of = async (bytes: Uint8Array): Promise<string> =>
  bytes.byteLength === 0
    ? ofNothing
    : hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)))
