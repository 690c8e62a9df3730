"""Chapter 14 as a tutorial of 2020 has it: MNIST, image by image through ToTensor.

python autoencoder.py trains for 20 epochs (EPOCHS=n: for n), draws into figures/, and checks the
test loss. Images lie in [0, 1] and the output in [-1, 1], as the original had it.
"""

import os
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import torch
from matplotlib import pyplot as plt
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST
from torchvision.utils import save_image

device = os.environ.get("DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
batch_size = 128
num_workers = 4  # PyTorch warns of it where there are fewer cores
learning_rate = 1e-3


class Autoencoder(nn.Module):
    """784-128-64-32 and back, with Tanh at the end."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(28 * 28, 128),
            nn.ReLU(True),
            nn.Linear(128, 64),
            nn.ReLU(True),
            nn.Linear(64, 32),
        )
        self.decoder = nn.Sequential(
            nn.Linear(32, 64),
            nn.ReLU(True),
            nn.Linear(64, 128),
            nn.ReLU(True),
            nn.Linear(128, 28 * 28),
            nn.Tanh(),
        )

    def forward(self, x):
        """Return the reconstruction."""
        return self.decoder(self.encoder(x))


def make_loaders():
    """Return loaders of the training and of the test images."""
    transform = transforms.Compose([transforms.ToTensor()])
    loaders = []
    for train in (True, False):
        dataset = MNIST("data", train=train, transform=transform)
        loaders.append(
            DataLoader(dataset, batch_size=batch_size, shuffle=train, num_workers=num_workers)
        )
    return loaders


def make_model():
    """Return the model, its loss function and its optimizer."""
    torch.manual_seed(42)
    model = Autoencoder().to(device)
    optimizer = optim.Adam(model.parameters(), lr=learning_rate, weight_decay=1e-5)
    return model, nn.MSELoss(), optimizer


def to_img(x):
    """Turn rows into images; from [-1, 1] into [0, 1], which is where they were."""
    x = 0.5 * (x + 1)
    x = x.clamp(0, 1)
    return x.view(x.size(0), 1, 28, 28)


def train(model, loss_fn, optimizer, num_epochs, train_loader, val_loader):
    """Train; after each epoch yield both losses and the last reconstructed batch."""
    for _ in range(num_epochs):
        model.train()
        batch_losses = []
        for img, _ in train_loader:
            img = img.view(img.size(0), -1).to(device)
            output = model(img)
            loss = loss_fn(output, img)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            batch_losses.append(loss.item())
        model.eval()
        val_losses = []
        with torch.no_grad():
            for img, _ in val_loader:
                img = img.view(img.size(0), -1).to(device)
                output = model(img)
                val_losses.append(loss_fn(output, img).item())
        yield sum(batch_losses) / len(batch_losses), sum(val_losses) / len(val_losses), output


def plot_losses(losses, val_losses):
    """Draw both losses."""
    plt.plot(losses, label="Training loss")
    plt.plot(val_losses, label="Validation loss")
    plt.yscale("log")
    plt.xlabel("epoch")
    plt.legend()
    plt.savefig("figures/val_loss.png")
    plt.close()


def plot_images(model, images):
    """Draw ten digits over their reconstructions."""
    with torch.no_grad():
        output = to_img(model(images.view(10, -1).to(device)).cpu())
    _, panels = plt.subplots(2, 10, figsize=(20, 4))
    for row, pictures in zip(panels, (images, output), strict=True):
        for panel, picture in zip(row, pictures, strict=True):
            panel.imshow(picture[0].numpy(), cmap="gray")
            panel.axis("off")
    plt.savefig("figures/mnist_ae.png")
    plt.close()


def main():
    """Train, draw, check."""
    Path("figures").mkdir(exist_ok=True)
    num_epochs = int(os.environ.get("EPOCHS", "20"))
    train_loader, val_loader = make_loaders()
    model, loss_fn, optimizer = make_model()
    losses, val_losses = [], []
    epochs = train(model, loss_fn, optimizer, num_epochs, train_loader, val_loader)
    for epoch, (loss, val_loss, output) in enumerate(epochs, 1):
        print(f"epoch [{epoch}/{num_epochs}], loss:{loss:.5f}, validation loss:{val_loss:.5f}")
        losses.append(loss)
        val_losses.append(val_loss)
        if epoch % 10 == 0:
            save_image(to_img(output.cpu()), f"figures/image_{epoch}.png")
    torch.save(model.state_dict(), "autoencoder.pth")
    plot_losses(losses, val_losses)
    plot_images(model, next(iter(val_loader))[0][:10])
    if num_epochs == 20:
        assert val_losses[-1] < 0.015


if __name__ == "__main__":
    main()
