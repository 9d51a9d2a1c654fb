/** An error of the file system. Its code, for example `ENOENT`, is the code of `cause`. */
export class FileError {
  readonly _tag = "FileError"
  constructor(readonly path: string, readonly cause: NodeJS.ErrnoException) {}

  /** Whether the file or the folder does not exist. */
  get missing(): boolean {
    return this.cause.code === "ENOENT" || this.cause.code === "ENOTDIR"
  }

  /** Whether the disk, or the quota, is full. */
  get full(): boolean {
    return this.cause.code === "ENOSPC" || this.cause.code === "EDQUOT"
  }

  /** The reason, for an error message. */
  get reason(): string {
    const { code } = this.cause
    if (code === undefined) return "the file system failed"
    return reasons[code] ?? (/^E[A-Z0-9]+$/.test(code) ? `the file system answered ${code}` : code)
  }
}

/** The meaning of error codes. */
const reasons: { readonly [code: string]: string } = {
  ENOENT: "there is no such file",
  ENOTDIR: "a part of its path is a file, not a folder",
  EISDIR: "it is a folder",
  ELOOP: "it is a symbolic link",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "there is no space left",
  EDQUOT: "there is no space left",
  ENAMETOOLONG: "its name is too long",
  EEXIST: "it exists already",
  EBUSY: "it is in use",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  EFBIG: "it is larger than the file system allows",
  EIO: "the disk cannot be read or written"
}
