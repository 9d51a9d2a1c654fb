interface Problem {
  readonly reason: string
  readonly advice?: string
}

const denied: Problem = {
  reason: "permission denied",
  advice: "give the user of this process access to it"
}

const noSpace: Problem = { reason: "there is no space left", advice: "free space on the disk, or raise the quota" }

const tooManyFiles: Problem = { reason: "too many files are open", advice: "raise the limit of open files (ulimit -n)" }

/** The meaning of error codes. */
const problems: { readonly [code: string]: Problem } = {
  ENOENT: { reason: "there is no such file", advice: "check the path" },
  ENOTDIR: { reason: "a part of its path is a file, not a folder", advice: "check the path" },
  EISDIR: { reason: "it is a folder" },
  ELOOP: { reason: "it is a symbolic link", advice: "name the file that the link points at" },
  EACCES: denied,
  EPERM: denied,
  EROFS: { reason: "the file system is read-only", advice: "mount it for writing" },
  ENOSPC: noSpace,
  EDQUOT: noSpace,
  ENAMETOOLONG: { reason: "its name is too long", advice: "use a shorter path" },
  EEXIST: { reason: "it exists already" },
  EBUSY: { reason: "it is in use" },
  EMFILE: tooManyFiles,
  ENFILE: tooManyFiles,
  EFBIG: { reason: "it is larger than the file system allows" },
  EIO: { reason: "the disk cannot be read or written", advice: "check the disk" }
}

const problemOf = ({ code }: NodeJS.ErrnoException): Problem =>
  code === undefined
    ? { reason: "the file system failed" }
    : problems[code] ?? { reason: `the file system answered ${code}` }

/**
 * What a call of the file system does.
 *
 * @since 0.1.0
 * @category models
 */
export type Action =
  | "open"
  | "read"
  | "write"
  | "truncate"
  | "sync"
  | "rename"
  | "remove"
  | "create"
  | "list"
  | "measure"

/**
 * An error of the file system. Its message says what was attempted, what happened, and what to do. Its code, for example
 * `ENOENT`, is the code of `cause`.
 *
 * @since 0.1.0
 * @category errors
 */
export class FileError extends Error {
  readonly _tag = "OciFileError"
  override readonly name = "OciFileError"
  /** What happened, as a part of a sentence. */
  readonly reason: string

  constructor(
    /** What the call was to do. */
    readonly action: Action,
    readonly path: string,
    override readonly cause: NodeJS.ErrnoException | undefined,
    /** What happened, if the file system did not fail itself. */
    reason?: string
  ) {
    const problem = reason === undefined && cause !== undefined ? problemOf(cause) : { reason: reason ?? "it failed" }
    super(`cannot ${action} ${path}: ${problem.reason}${problem.advice === undefined ? "" : `; ${problem.advice}`}`)
    this.reason = problem.reason
  }

  /** Whether the file or the folder does not exist. */
  get isMissing(): boolean {
    return this.cause?.code === "ENOENT" || this.cause?.code === "ENOTDIR"
  }

  /** Whether the disk, or the quota, is full. */
  get isFull(): boolean {
    return this.cause?.code === "ENOSPC" || this.cause?.code === "EDQUOT"
  }
}
