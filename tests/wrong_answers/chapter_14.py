"""Wrong answers to the exercises of chapter 14: what to replace in the solution, and by what."""

MEAN = "mean = train.mean(dim=0)"
SVD = "torch.linalg.svd(train - mean, full_matrices=False)[2][:k]"
HALVES = "nn.Sequential(*encoder[:-1]), nn.Sequential(*decoder[:-1], nn.Sigmoid())"
WAY_IN = "(images - self.mean) / self.std"
WAY_OUT = "self.decoder(code) * self.std + self.mean"
BOTH = "self.decode(self.encode(images))"

WRONG = {
    "14_pca": [
        ("train - mean, full", "train, full"),
        (MEAN, "mean = images.mean(dim=0)"),
        (MEAN, "mean = train.mean()"),
        (MEAN, "mean = train.mean(dim=1, keepdim=True)"),
        ("(images - mean) @", "(images - images.mean(dim=0)) @"),
        ("(images - mean) @", "images @"),
        ("return mean + code", "return code"),
        (SVD, "torch.linalg.svd(train - mean, full_matrices=False)[2][:, :k].t()"),
        (SVD, "torch.linalg.svd(train - mean, full_matrices=False)[2][-k:]"),
        (SVD, "torch.linalg.svd(train - mean, full_matrices=False)[2][: k + 1]"),
        (SVD, "torch.linalg.svd(images - mean, full_matrices=False)[2][:k]"),
        (MEAN, f"{MEAN}\n    images -= mean"),
        ("return mean + code @ directions", "return code"),
        ("return mean + code @ directions", "return (mean + code @ directions).clamp(0, 1)"),
        ("return mean + code @ directions", "return images"),
    ],
    "14_no_black": [
        (HALVES, "nn.Sequential(*encoder), nn.Sequential(*decoder[:-1], nn.Sigmoid())"),
        (HALVES, "nn.Sequential(*encoder[:-1]), nn.Sequential(*decoder, nn.Sigmoid())"),
        (HALVES, "nn.Sequential(*encoder[:-1]), nn.Sequential(*decoder[:-1])"),
        (HALVES, "nn.Sequential(*encoder[:-1]), nn.Sequential(*decoder)"),
        (HALVES, "nn.Sequential(*encoder[:-1]), nn.Sequential(*decoder[:-1], nn.Tanh())"),
        (HALVES, "nn.Sequential(*encoder[::2]), nn.Sequential(*decoder[::2], nn.Sigmoid())"),
        (HALVES, "nn.Sequential(*encoder[:3]), nn.Sequential(*decoder[:3], nn.Sigmoid())"),
        (HALVES, "nn.Sequential(*encoder[:-1], *decoder[:-1], nn.Sigmoid())"),
        (HALVES, f"nn.ModuleList([{HALVES}])"),
        ("(narrow, wide), nn.ReLU()]", "(narrow, wide), nn.LeakyReLU()]"),
        ("(narrow, wide), nn.ReLU()]", "(narrow, wide), nn.Sigmoid()]"),
        ("pairwise(reversed(widths))", "pairwise(widths)"),
    ],
    "14_apart": [
        (WAY_IN, "images", WAY_OUT, "self.decoder(code)"),
        (WAY_OUT, "self.decoder(code)"),
        (WAY_IN, "images"),
        (WAY_IN, "images", BOTH, f"self.decode(self.encode({WAY_IN}))"),
        (BOTH, f"self.decode(self.encode({WAY_IN}))"),
        (BOTH, f"self.decode(self.encode({WAY_IN})) * self.std + self.mean"),
        (WAY_OUT, "self.decoder(code)", BOTH, f"{BOTH} * self.std + self.mean"),
        (WAY_OUT, "self.decoder(code).clamp(min=0)"),
        (WAY_OUT, f"({WAY_OUT}).clamp(0, 1)"),
        (WAY_OUT, "torch.sigmoid(self.decoder(code))"),
        (WAY_OUT, "(self.decoder(code) + self.mean) * self.std"),
        (WAY_IN, "images - self.mean / self.std"),
        (WAY_IN, "(images - images.mean()) / images.std()"),
        (WAY_IN, "(images - 0.13) / 0.31"),
    ],
}
