/** The templates, each an example of the repository, and what their projects are. */
export const templates: { readonly [name: string]: string } = {
  quickstart: "a registry in a directory: logged, served, called, made read-only",
  registry: "a registry for production on one machine",
  cluster: "a registry for production on any number of machines, over PostgreSQL and S3",
  "private-registry": "a registry with users, tokens and a public part",
  mirror: "a pull-through mirror with a cache on disk",
  gateway: "a policy gateway in front of another registry",
  copy: "a command that copies images and artifacts"
}
